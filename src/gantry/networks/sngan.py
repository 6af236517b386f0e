"""SNGAN's standard CNN, for 32×32 and 64×64.

Source: Miyato et al. 2018, table 3, with what its authors' code adds to the table: BatchNorm and ReLU after the
generator's dense layer, and initial weights N(0, 0.02²).
"""

from functools import partial

from torch import Tensor, nn

from gantry.networks.initialise import SCHEMES, fill, initialise_as
from gantry.networks.shapes import image_shape
from gantry.networks.spectral import clamp, normalise
from gantry.plan.blocks.image_networks import SnganNetworks

normal = partial(fill, how=SCHEMES["normal_0.02"])


class Generator(nn.Module):
    """z (B, Z) → images (B, C, R, R) in [−1, 1]: dense to R/8, three doublings, a last layer, tanh."""

    def __init__(self, width: int, latent: int, channels: int, resolution: int) -> None:
        super().__init__()
        features, size = 8 * width * (resolution // 8) ** 2, resolution // 8
        self.layers = nn.Sequential(
            nn.Linear(latent, features),
            nn.BatchNorm1d(features),
            nn.ReLU(inplace=True),
            nn.Unflatten(1, (8 * width, size, size)),
            *doubling(8 * width, 4 * width),
            *doubling(4 * width, 2 * width),
            *doubling(2 * width, width),
            nn.ConvTranspose2d(width, channels, 3, 1, 1),
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


def doubling(inputs: int, outputs: int) -> list[nn.Module]:
    """A deconvolution k4s2, BatchNorm, ReLU."""
    return [
        nn.ConvTranspose2d(inputs, outputs, 4, 2, 1),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]


class Discriminator(nn.Module):
    """Images (B, C, R, R) → logits (B, outputs): LeakyReLU 0.1, no BatchNorm, three halvings, dense."""

    def __init__(self, width: int, channels: int, resolution: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *conv(channels, width, 3, 1),
            *conv(width, width, 4, 2),
            *conv(width, 2 * width, 3, 1),
            *conv(2 * width, 2 * width, 4, 2),
            *conv(2 * width, 4 * width, 3, 1),
            *conv(4 * width, 4 * width, 4, 2),
            *conv(4 * width, 8 * width, 3, 1),
        )
        self.head = nn.Linear(8 * width * (resolution // 8) ** 2, outputs)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.layers(images).flatten(1))


def conv(inputs: int, outputs: int, kernel: int, stride: int) -> list[nn.Module]:
    """A convolution and LeakyReLU 0.1."""
    return [nn.Conv2d(inputs, outputs, kernel, stride, 1), nn.LeakyReLU(0.1, inplace=True)]


def build_generator(
    networks: SnganNetworks, latent_dimension: int, sample_shape: tuple[int, ...]
) -> Generator:
    """See `gantry.networks.build_generator`."""
    generator = Generator(networks.width, latent_dimension, *image_shape(networks, sample_shape))
    initialise_as(generator, networks.initialisation.generator, normal)
    clamp(generator, networks.clamp, networks.clamp_ratio)
    return generator


def build_discriminator(
    networks: SnganNetworks, sample_shape: tuple[int, ...], outputs: int
) -> Discriminator:
    """See `gantry.networks.build_discriminator`."""
    discriminator = Discriminator(networks.width, *image_shape(networks, sample_shape), outputs)
    initialise_as(discriminator, networks.initialisation.discriminator, normal)
    if networks.spectral_norm:
        normalise(discriminator)
    return discriminator
