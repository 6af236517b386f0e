"""Residual pairs for 32×32: SNGAN's and WGAN-GP's.

Source: Miyato et al. 2018, table 4; Gulrajani et al. 2017, appendix F. The initial weights are those of the authors'
code: Glorot uniform, in the blocks with a gain of √2.
"""

from functools import partial

from torch import Tensor, nn

from gantry.networks.attention import SelfAttention
from gantry.networks.initialise import fill, initialise_as
from gantry.networks.residual import ResidualBlock
from gantry.networks.shapes import image_shape
from gantry.networks.spectral import clamp, normalise
from gantry.plan.blocks.image_networks import ResnetNetworks

glorot = partial(fill, how=nn.init.xavier_uniform_)


def glorot_with_gain(network: nn.Module) -> None:
    """Glorot uniform; the 3×3 convolutions of the blocks, which ReLUs follow, with a gain of √2."""
    glorot(network)
    for block in network.modules():
        if isinstance(block, ResidualBlock):
            fill(block.residual, partial(nn.init.xavier_uniform_, gain=2**0.5))


class Generator(nn.Module):
    """z (B, Z) → images (B, C, 32, 32) in [−1, 1]: dense to 4×4, three doublings, a last convolution; BatchNorm.

    `attention`: over the places at 16×16, as SAGAN has it.
    """

    def __init__(self, width: int, latent: int, channels: int, attention: bool = False) -> None:
        super().__init__()
        norm = nn.BatchNorm2d
        self.layers = nn.Sequential(
            nn.Linear(latent, width * 4 * 4),
            nn.Unflatten(1, (width, 4, 4)),
            ResidualBlock(width, width, norm, "up"),
            ResidualBlock(width, width, norm, "up"),
            *([SelfAttention(width)] if attention else []),
            ResidualBlock(width, width, norm, "up"),
            norm(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, channels, 3, padding=1),
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


POOLINGS = {"sum": Tensor.sum, "mean": Tensor.mean}


class Discriminator(nn.Module):
    """Images (B, C, 32, 32) → logits (B, outputs): two halvings, two blocks at 8×8, ReLU, pooling, dense; no norm.

    `attention`: over the places at 16×16, as SAGAN has it.
    """

    def __init__(
        self, width: int, channels: int, outputs: int, pooling: str, attention: bool = False
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            ResidualBlock(channels, width, None, "down", reads_image=True),
            *([SelfAttention(width)] if attention else []),
            ResidualBlock(width, width, None, "down"),
            ResidualBlock(width, width, None),
            ResidualBlock(width, width, None),
            nn.ReLU(),
        )
        self.pool = POOLINGS[pooling]
        self.head = nn.Linear(width, outputs)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.pool(self.layers(images), dim=(2, 3)))


def build_generator(
    networks: ResnetNetworks, latent_dimension: int, sample_shape: tuple[int, ...]
) -> Generator:
    """See `gantry.networks.build_generator`."""
    channels, _ = image_shape(networks, sample_shape)
    generator = Generator(networks.generator_ratio * networks.width, latent_dimension, channels)
    initialise_as(generator, networks.initialisation.generator, glorot_with_gain)
    clamp(generator, networks.clamp, networks.clamp_ratio)
    return generator


def build_discriminator(
    networks: ResnetNetworks, sample_shape: tuple[int, ...], outputs: int
) -> Discriminator:
    """See `gantry.networks.build_discriminator`."""
    channels, _ = image_shape(networks, sample_shape)
    discriminator = Discriminator(networks.width, channels, outputs, networks.pooling)
    initialise_as(discriminator, networks.initialisation.discriminator, glorot_with_gain)
    if networks.spectral_norm:
        normalise(discriminator)
    return discriminator
