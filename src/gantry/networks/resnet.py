"""Residual pairs for 32×32: SNGAN's and WGAN-GP's, and SAGAN's with self-attention.

Source: Miyato et al. 2018, table 4; Gulrajani et al. 2017, appendix F; Zhang et al. 2019, without labels. The
initial weights are those of the authors' code: Glorot uniform, in SNGAN's blocks with a gain of √2.
"""

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from gantry.networks.attention import SelfAttention
from gantry.networks.initialise import fill, initialise_as
from gantry.networks.residual import Norm, ResidualBlock, convolution
from gantry.networks.shapes import image_shape
from gantry.networks.spectral import normalise
from gantry.plan.architectures import (
    resnet_discriminator,
    resnet_generator,
    sagan_discriminator,
    sagan_generator,
)
from gantry.plan.blocks.networks import ResnetNetworks, SaganNetworks
from gantry.plan.layers import Attention, Conv, Dense, Residual

glorot = partial(fill, how=nn.init.xavier_uniform_)


def glorot_with_gain(network: nn.Module) -> None:
    """Glorot uniform; the 3×3 convolutions of the blocks, which ReLUs follow, with a gain of √2."""
    glorot(network)
    for block in network.modules():
        if isinstance(block, ResidualBlock):
            fill(block.residual, partial(nn.init.xavier_uniform_, gain=2**0.5))


class Generator(nn.Module):
    """z (B, Z) → images (B, C, 32, 32) in [−1, 1]: dense to 4×4, blocks with BatchNorm, a last convolution."""

    def __init__(self, dense: Dense, blocks: Sequence[Residual | Attention], last: Conv) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(dense.inputs, dense.outputs),
            nn.Unflatten(1, (dense.outputs // 16, 4, 4)),
            *_modules(blocks, nn.BatchNorm2d),
            nn.BatchNorm2d(last.inputs),
            nn.ReLU(inplace=True),
            convolution(last),
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


POOLINGS = {"sum": Tensor.sum, "mean": Tensor.mean}


class Discriminator(nn.Module):
    """Images (B, C, 32, 32) → logits (B, outputs): blocks without BatchNorm, ReLU, pooling, dense."""

    def __init__(self, blocks: Sequence[Residual | Attention], dense: Dense, pooling: str) -> None:
        super().__init__()
        self.layers = nn.Sequential(*_modules(blocks, None), nn.ReLU())
        self.pool = POOLINGS[pooling]
        self.head = nn.Linear(dense.inputs, dense.outputs)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.pool(self.layers(images), dim=(2, 3)))


def _modules(layers: Sequence[Residual | Attention], norm: Norm | None) -> list[nn.Module]:
    modules: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, Attention):
            modules.append(SelfAttention(layer))
        else:
            modules.append(ResidualBlock(layer, norm, reads_image=norm is None and not modules))
    return modules


def build_resnet_generator(
    networks: ResnetNetworks, latent_dimension: int, sample_shape: tuple[int, ...]
) -> Generator:
    """See `gantry.networks.build_generator`."""
    shape = image_shape(networks, sample_shape)
    dense, *blocks, last = resnet_generator(networks, latent_dimension, *shape)
    generator = Generator(dense, blocks, last)
    initialise_as(generator, networks.initialisation.generator, glorot_with_gain)
    return generator


def build_resnet_discriminator(
    networks: ResnetNetworks, sample_shape: tuple[int, ...], outputs: int
) -> Discriminator:
    """See `gantry.networks.build_discriminator`."""
    *blocks, dense = resnet_discriminator(networks, *image_shape(networks, sample_shape), outputs)
    discriminator = Discriminator(blocks, dense, networks.pooling)
    initialise_as(discriminator, networks.initialisation.discriminator, glorot_with_gain)
    if networks.spectral_norm:
        normalise(discriminator)
    return discriminator


def build_sagan_generator(
    networks: SaganNetworks, latent_dimension: int, sample_shape: tuple[int, ...]
) -> Generator:
    """See `gantry.networks.build_generator`."""
    shape = image_shape(networks, sample_shape)
    dense, *blocks, last = sagan_generator(networks, latent_dimension, *shape)
    generator = Generator(dense, blocks, last)
    initialise_as(generator, networks.initialisation.generator, glorot)
    normalise(generator)
    return generator


def build_sagan_discriminator(
    networks: SaganNetworks, sample_shape: tuple[int, ...], outputs: int
) -> Discriminator:
    """See `gantry.networks.build_discriminator`."""
    *blocks, dense = sagan_discriminator(networks, *image_shape(networks, sample_shape), outputs)
    discriminator = Discriminator(blocks, dense, "sum")
    initialise_as(discriminator, networks.initialisation.discriminator, glorot)
    normalise(discriminator)
    return discriminator
