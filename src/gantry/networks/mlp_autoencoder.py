"""The pair of EBGAN and BEGAN for points: family mlp's generator, and D a plain ReLU autoencoder."""

from itertools import pairwise

from torch import nn

from gantry.networks.autoencoder import Autoencoder
from gantry.networks.linear import Linear
from gantry.networks.mlp import build_generator
from gantry.networks.shapes import dimension
from gantry.plan.blocks.point_networks import MlpAutoencoderNetworks


def rectified(widths: list[int]) -> nn.Sequential:
    """Dense layers of these widths, from inputs to outputs, with ReLU between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def build_discriminator(
    networks: MlpAutoencoderNetworks, sample_shape: tuple[int, ...], outputs: int
) -> Autoencoder:
    """See `gantry.networks.build_discriminator`; there is one energy of each point, (B, 1)."""
    widths = [dimension(networks, sample_shape), *[networks.width] * networks.depth, networks.code]
    return Autoencoder(rectified(widths), rectified(widths[::-1]), networks.error)


__all__ = ["build_discriminator", "build_generator"]
