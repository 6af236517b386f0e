"""SAGAN at 32×32, without labels: the residual pair with self-attention at 16×16, spectral norm in both networks.

Source: Zhang et al. 2019. The initial weights are those of the authors' code: Glorot uniform.
"""

from gantry.networks.initialise import initialise_as
from gantry.networks.resnet import Discriminator, Generator, glorot
from gantry.networks.shapes import image_shape
from gantry.networks.spectral import normalise
from gantry.plan.blocks.image_networks import SaganNetworks


def build_generator(
    networks: SaganNetworks, latent_dimension: int, sample_shape: tuple[int, ...]
) -> Generator:
    """See `gantry.networks.build_generator`."""
    channels, _ = image_shape(networks, sample_shape)
    generator = Generator(2 * networks.width, latent_dimension, channels, attention=True)
    initialise_as(generator, networks.initialisation.generator, glorot)
    normalise(generator)
    return generator


def build_discriminator(
    networks: SaganNetworks, sample_shape: tuple[int, ...], outputs: int
) -> Discriminator:
    """See `gantry.networks.build_discriminator`."""
    channels, _ = image_shape(networks, sample_shape)
    discriminator = Discriminator(networks.width, channels, outputs, "sum", attention=True)
    initialise_as(discriminator, networks.initialisation.discriminator, glorot)
    normalise(discriminator)
    return discriminator
