"""Plain convolutional pairs: EDGAN's DCGAN for 32×32, and SNGAN's standard CNN.

Source: EDGAN, figures 2 and 3; Miyato et al. 2018, table 3, with what its authors' code adds to the table:
BatchNorm and ReLU after the generator's dense layer, and initial weights N(0, 0.02²).
"""

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from gantry.networks.initialise import SCHEMES, fill, initialise, initialise_as
from gantry.networks.residual import convolution
from gantry.networks.shapes import image_shape, verdict_rows
from gantry.networks.spectral import normalise, normalise_layer
from gantry.plan.architectures import (
    dcgan32_discriminator,
    dcgan32_generator,
    sngan_discriminator,
    sngan_generator,
)
from gantry.plan.blocks.networks import Dcgan32Networks, SnganNetworks
from gantry.plan.layers import Conv, Dense

normal = partial(fill, how=SCHEMES["normal_0.02"])


def normal_with_batch_norm(network: nn.Module) -> None:
    """Every weight N(0, 0.02²), as Radford et al. 2016; BatchNorm as in `initialise`."""
    initialise(network)
    normal(network)


class Generator(nn.Module):
    """z (B, Z) → images (B, C, R, R) in [−1, 1]: dense, then deconvolutions with BatchNorm and ReLU, tanh.

    With `dense_rectified` BatchNorm and ReLU follow the dense layer too.
    """

    def __init__(self, dense: Dense, deconvs: Sequence[Conv], bias: bool, dense_rectified: bool) -> None:
        super().__init__()
        first, last = deconvs[0], deconvs[-1]
        layers: list[nn.Module] = [nn.Linear(dense.inputs, dense.outputs)]
        if dense_rectified:
            layers += [nn.BatchNorm1d(dense.outputs), nn.ReLU(inplace=True)]
        layers.append(nn.Unflatten(1, (first.inputs, first.size, first.size)))
        for conv in deconvs[:-1]:
            layers += [convolution(conv, bias), nn.BatchNorm2d(conv.outputs), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, convolution(last, bias), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


def features(convs: Sequence[Conv], slope: float, batch_norm: bool, bias: bool) -> nn.Sequential:
    """Convolutions, each with BatchNorm if `batch_norm`, and LeakyReLU of that slope."""
    layers: list[nn.Module] = []
    for conv in convs:
        normalised = [nn.BatchNorm2d(conv.outputs)] if batch_norm else []
        layers += [convolution(conv, bias), *normalised, nn.LeakyReLU(slope, inplace=True)]
    return nn.Sequential(*layers)


class Dcgan32Discriminator(nn.Module):
    """Images (B, C, 32, 32) → logits (B·v, outputs), v = `head_channels` verdicts on each image.

    No biases. The sigmoid of figure 2 belongs to the objective.
    """

    def __init__(self, convs: Sequence[Conv], outputs: int, batch_norm: bool) -> None:
        super().__init__()
        self.outputs = outputs
        self.layers = features(convs[:-1], slope=0.2, batch_norm=batch_norm, bias=False)
        self.penultimate = convolution(convs[-1], bias=False)

    def forward(self, images: Tensor) -> Tensor:
        return verdict_rows(self.penultimate(self.layers(images)), self.outputs)


class SnganDiscriminator(nn.Module):
    """Images (B, C, R, R) → logits (B, outputs): LeakyReLU 0.1, no BatchNorm, a dense layer at the end."""

    def __init__(self, convs: Sequence[Conv], dense: Dense) -> None:
        super().__init__()
        self.layers = features(convs, slope=0.1, batch_norm=False, bias=True)
        self.head = nn.Linear(dense.inputs, dense.outputs)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.layers(images).flatten(1))


def build_dcgan32_generator(
    networks: Dcgan32Networks, latent_dimension: int, sample_shape: tuple[int, ...]
) -> Generator:
    """See `gantry.networks.build_generator`."""
    shape = image_shape(networks, sample_shape)
    dense, *deconvs = dcgan32_generator(networks, latent_dimension, *shape)
    generator = Generator(dense, deconvs, bias=False, dense_rectified=False)
    initialise_as(generator, networks.initialisation.generator, normal_with_batch_norm)
    return generator


def build_dcgan32_discriminator(
    networks: Dcgan32Networks, sample_shape: tuple[int, ...], outputs: int
) -> Dcgan32Discriminator:
    """See `gantry.networks.build_discriminator`."""
    convs = dcgan32_discriminator(networks, *image_shape(networks, sample_shape), outputs)
    discriminator = Dcgan32Discriminator(convs, outputs, networks.batch_norm)
    initialise_as(discriminator, networks.initialisation.discriminator, normal_with_batch_norm)
    if networks.spectral_penultimate:
        normalise_layer(discriminator.penultimate)
    return discriminator


def build_sngan_generator(
    networks: SnganNetworks, latent_dimension: int, sample_shape: tuple[int, ...]
) -> Generator:
    """See `gantry.networks.build_generator`."""
    shape = image_shape(networks, sample_shape)
    dense, *deconvs = sngan_generator(networks, latent_dimension, *shape)
    generator = Generator(dense, deconvs, bias=True, dense_rectified=True)
    initialise_as(generator, networks.initialisation.generator, normal)
    return generator


def build_sngan_discriminator(
    networks: SnganNetworks, sample_shape: tuple[int, ...], outputs: int
) -> SnganDiscriminator:
    """See `gantry.networks.build_discriminator`."""
    *convs, dense = sngan_discriminator(networks, *image_shape(networks, sample_shape), outputs)
    discriminator = SnganDiscriminator(convs, dense)
    initialise_as(discriminator, networks.initialisation.discriminator, normal)
    if networks.spectral_norm:
        normalise(discriminator)
    return discriminator
