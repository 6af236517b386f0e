"""The pair of BCGAN's synthetic experiment (section 3.2): a ReLU MLP against a maxout MLP, for points."""

from itertools import pairwise

from torch import nn

from gantry.errors import UserError
from gantry.networks.initialise import initialise
from gantry.networks.linear import Linear
from gantry.networks.maxout import Maxout
from gantry.plan.blocks.networks import MlpNetworks


def build_generator(networks: MlpNetworks, latent_dimension: int, sample_shape: tuple[int, ...]) -> nn.Module:
    """z (B, latent_dimension) → depth × [Linear, BatchNorm, ReLU] → Linear → points (B, D), unbounded."""
    widths = [latent_dimension] + [networks.width] * networks.depth
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU(inplace=True)]
    generator = nn.Sequential(*layers, Linear(networks.width, _dimension(sample_shape)))
    initialise(generator)
    return generator


def build_discriminator(networks: MlpNetworks, sample_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Points (B, D) → maxout_depth × Maxout → Linear → logits (B, outputs)."""
    widths = [_dimension(sample_shape)] + [networks.maxout_units] * networks.maxout_depth
    layers = [Maxout(inputs, units, networks.maxout_pieces) for inputs, units in pairwise(widths)]
    return nn.Sequential(*layers, Linear(networks.maxout_units, outputs))


def _dimension(sample_shape: tuple[int, ...]) -> int:
    if len(sample_shape) != 1:
        raise UserError(
            f"networks.family mlp: the data set's samples have shape {tuple(sample_shape)}, but this family "
            "is for points such as (2,); use family dcgan for images"
        )
    return sample_shape[0]
