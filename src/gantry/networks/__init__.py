"""Generators and discriminators, by family, initialised, ready for a device.

A family is a file here of its name, with `build_generator` and `build_discriminator`, and its block in
`plan/blocks/`, in the file of point, image, stepwise or translating pairs: no list names either.
"""

from importlib import import_module
from typing import Any

from torch import nn

from gantry.errors import UserError
from gantry.networks.virtual import choose_reference


def family(name: str) -> Any:
    """Return the module of a family, whose two builders take the recipe's `networks` block first.

    Where the block `translates`, `build_generator` makes a translator, and its second argument is the shape of the
    inputs.
    """
    return import_module(f"gantry.networks.{name}")


def builder(name: str, function: str) -> Any:
    """Return a family's builder; UserError for a family that only a method of its own builds."""
    found = getattr(family(name), function, None)
    if found is None:
        raise UserError(
            f"networks.family {name} is built by method {name} alone: take that, or another family"
        )
    return found


def build_generator(networks: Any, latent_dimension: int, sample_shape: tuple[int, ...]) -> nn.Module:
    """Return an initialised generator: forward(z (B, latent_dimension)) → (B, *sample_shape).

    `networks` is the recipe's block (`MlpNetworks`, `DcganNetworks`, …). Images come out in [−1, 1]. Raises
    `UserError` where the family cannot make samples of that shape.
    """
    built: nn.Module = builder(networks.family, "build_generator")(networks, latent_dimension, sample_shape)
    return built


def build_translator(networks: Any, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> nn.Module:
    """Return an initialised translator: forward(x (B, *inputs)) → (B, *outputs).

    `networks` is a block that `translates`. Raises `UserError` where the family cannot map these shapes.
    """
    built: nn.Module = builder(networks.family, "build_generator")(networks, inputs, outputs)
    return built


def build_discriminator(networks: Any, sample_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Return an initialised discriminator: forward(samples (B, *sample_shape)) → (B·v, outputs) logits.

    v is the number of logits of each sample: 1, the patches of a PatchGAN, or `head_channels`; the rows of a
    sample stand together. Where `one_pass_is_exact`, real and generated batches may be concatenated into one call.
    Raises `UserError` where the family cannot read samples of that shape.
    """
    built: nn.Module = builder(networks.family, "build_discriminator")(networks, sample_shape, outputs)
    return built


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
    "build_discriminator",
    "build_generator",
    "build_translator",
    "choose_reference",
    "family",
    "mixes_samples",
    "one_pass_is_exact",
]
