"""Generators and discriminators: pairs by family, initialised, ready for a device.

A new family is two builders and one line in `FAMILIES`; its block stands in `plan/blocks/networks.py`, and its
layers in `plan/architectures.py`, from where they are both built and counted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from gantry.networks import (
    autoencoder,
    cnn,
    dcgan,
    growing,
    mlp,
    one_image,
    pyramids,
    recurrent,
    resnet,
    styles,
    translators,
)
from gantry.networks.virtual import choose_reference


@dataclass(frozen=True)
class Family:
    """The two builders of a pair; both take the recipe's `networks` block first.

    Where the block `translates`, the first is of a translator, and its second argument the shape of the inputs.
    """

    generator: Callable[[Any, Any, tuple[int, ...]], nn.Module]
    discriminator: Callable[[Any, tuple[int, ...], int], nn.Module]


FAMILIES: dict[str, Family] = {
    "mlp": Family(mlp.build_generator, mlp.build_discriminator),
    "dcgan": Family(dcgan.build_generator, dcgan.build_discriminator),
    "dcgan32": Family(cnn.build_dcgan32_generator, cnn.build_dcgan32_discriminator),
    "sngan": Family(cnn.build_sngan_generator, cnn.build_sngan_discriminator),
    "resnet": Family(resnet.build_resnet_generator, resnet.build_resnet_discriminator),
    "sagan": Family(resnet.build_sagan_generator, resnet.build_sagan_discriminator),
    "autoencoder": Family(autoencoder.build_autoencoder_generator, autoencoder.build_autoencoder),
    "gran": Family(recurrent.build_gran_generator, recurrent.build_gran_discriminator),
    "singan": Family(one_image.build_singan_generator, one_image.build_singan_discriminator),
    "lapgan": Family(pyramids.build_lapgan_generator, pyramids.build_lapgan_discriminator),
    "stylegan": Family(styles.build_stylegan_generator, styles.build_stylegan_discriminator),
    "pggan": Family(growing.build_pggan_generator, growing.build_pggan_discriminator),
    "mlp_autoencoder": Family(mlp.build_generator, autoencoder.build_mlp_autoencoder),
    "mlp_translator": Family(translators.build_mlp_translator, translators.build_point_discriminator),
    "unet": Family(translators.build_unet, translators.build_patch_discriminator),
    "resnet_blocks": Family(translators.build_resnet_blocks, translators.build_patch_discriminator),
    "label_resnet": Family(translators.build_label_resnet, translators.build_label_discriminator),
    "sr_resnet": Family(translators.build_sr_resnet, translators.build_sr_discriminator),
}


def build_generator(networks: Any, latent_dimension: int, sample_shape: tuple[int, ...]) -> nn.Module:
    """Return an initialised generator: forward(z (B, latent_dimension)) → (B, *sample_shape).

    `networks` is the recipe's block (`MlpNetworks`, `DcganNetworks`, …). Images come out in [−1, 1]. Raises
    `UserError` where the family cannot make samples of that shape.
    """
    return FAMILIES[networks.family].generator(networks, latent_dimension, sample_shape)


def build_translator(networks: Any, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> nn.Module:
    """Return an initialised translator: forward(x (B, *inputs)) → (B, *outputs).

    `networks` is a block that `translates`. Raises `UserError` where the family cannot map these shapes.
    """
    return FAMILIES[networks.family].generator(networks, inputs, outputs)


def build_discriminator(networks: Any, sample_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Return an initialised discriminator: forward(samples (B, *sample_shape)) → (B·v, outputs) logits.

    v is the number of verdicts on each sample: 1, the patches of a PatchGAN, or `head_channels`; the rows of a
    sample stand together. Where `one_pass_is_exact`, real and generated batches may be concatenated into one call.
    Raises `UserError` where the family cannot read samples of that shape.
    """
    return FAMILIES[networks.family].discriminator(networks, sample_shape, outputs)


def mixes_samples(network: nn.Module) -> bool:
    """Whether what `network` says of a sample depends on the others of its batch: BatchNorm, or layers that say so."""
    return any(
        isinstance(part, nn.modules.batchnorm._BatchNorm) or getattr(part, "mixes_samples", False)
        for part in network.modules()
    )


def one_pass_is_exact(network: nn.Module) -> bool:
    """Whether several batches may go through `network` in one pass: none depends on another, no layer counts passes."""
    return not mixes_samples(network) and not any(
        getattr(part, "counts_passes", False) for part in network.modules()
    )


__all__ = [
    "FAMILIES",
    "Family",
    "build_discriminator",
    "build_generator",
    "build_translator",
    "choose_reference",
    "mixes_samples",
    "one_pass_is_exact",
]
