"""EDGAN's DCGAN pair for 32×32: its figure 2; with `r311` and `spectral_penultimate` its figure 3."""

from functools import partial
from itertools import pairwise

from torch import Tensor, nn

from gantry.networks.initialise import SCHEMES, fill, initialise, initialise_as
from gantry.networks.shapes import image_shape, logit_rows
from gantry.networks.spectral import normalise_layer
from gantry.plan.blocks.image_networks import Dcgan32Networks

normal = partial(fill, how=SCHEMES["normal_0.02"])


def normal_with_batch_norm(network: nn.Module) -> None:
    """Every weight N(0, 0.02²), as Radford et al. 2016; BatchNorm as in `initialise`."""
    initialise(network)
    normal(network)


class Generator(nn.Module):
    """z (B, Z) → images (B, C, 32, 32) in [−1, 1]: dense to 4×4, deconvolutions with BatchNorm and ReLU, tanh.

    A 3-1-1 deconvolution, which may change channels, before each doubling and the last; `r311` takes away all but the
    last. No biases but the dense layer's.
    """

    def __init__(self, width: int, latent: int, channels: int, r311: bool) -> None:
        super().__init__()
        first = 8 * width
        layers: list[nn.Module] = [nn.Linear(latent, first * 4 * 4), nn.Unflatten(1, (first, 4, 4))]
        for inputs, outputs in pairwise((first, first, first // 2, first // 4)):
            layers += [] if r311 else deconv(inputs, outputs, 3, 1)
            layers += deconv(inputs if r311 else outputs, outputs, 4, 2)
        self.layers = nn.Sequential(
            *layers, nn.ConvTranspose2d(first // 4, channels, 3, 1, 1, bias=False), nn.Tanh()
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


def deconv(inputs: int, outputs: int, kernel: int, stride: int) -> list[nn.Module]:
    """A deconvolution, BatchNorm, ReLU."""
    return [
        nn.ConvTranspose2d(inputs, outputs, kernel, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]


class Discriminator(nn.Module):
    """Images (B, C, 32, 32) → logits (B·v, outputs), v = `head_channels` logits of each image.

    A 3-1-1 convolution and a halving at each of three widths, LeakyReLU 0.2; a last convolution of the 4×4 places. No
    biases. The sigmoid of figure 2 belongs to the objective.
    """

    def __init__(self, width: int, channels: int, head_channels: int, outputs: int, batch_norm: bool) -> None:
        super().__init__()
        self.outputs = outputs
        layers: list[nn.Module] = []
        for before, after in pairwise((channels, width, 2 * width, 4 * width)):
            layers += conv(before, after, 3, 1, batch_norm) + conv(after, after, 4, 2, batch_norm)
        self.layers = nn.Sequential(*layers)
        self.penultimate = nn.Conv2d(4 * width, head_channels * outputs, 4, 1, 0, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        return logit_rows(self.penultimate(self.layers(images)), self.outputs)


def conv(inputs: int, outputs: int, kernel: int, stride: int, batch_norm: bool) -> list[nn.Module]:
    """A convolution, BatchNorm if `batch_norm`, LeakyReLU 0.2."""
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, 1, bias=False),
        *([nn.BatchNorm2d(outputs)] if batch_norm else []),
        nn.LeakyReLU(0.2, inplace=True),
    ]


def build_generator(
    networks: Dcgan32Networks, latent_dimension: int, sample_shape: tuple[int, ...]
) -> Generator:
    """See `gantry.networks.build_generator`."""
    channels, _ = image_shape(networks, sample_shape)
    generator = Generator(networks.width, latent_dimension, channels, networks.r311)
    initialise_as(generator, networks.initialisation.generator, normal_with_batch_norm)
    return generator


def build_discriminator(
    networks: Dcgan32Networks, sample_shape: tuple[int, ...], outputs: int
) -> Discriminator:
    """See `gantry.networks.build_discriminator`."""
    channels, _ = image_shape(networks, sample_shape)
    discriminator = Discriminator(
        networks.width, channels, networks.head_channels, outputs, networks.batch_norm
    )
    initialise_as(discriminator, networks.initialisation.discriminator, normal_with_batch_norm)
    if networks.spectral_penultimate:
        normalise_layer(discriminator.penultimate)
    return discriminator
