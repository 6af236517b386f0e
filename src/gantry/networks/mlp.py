"""The pair of BCGAN's synthetic experiment (section 3.2): a ReLU MLP against a maxout MLP, for points."""

from torch import nn

from gantry.networks.initialise import initialise
from gantry.networks.linear import Linear
from gantry.networks.maxout import Maxout
from gantry.networks.minibatch import minibatch_discrimination
from gantry.networks.shapes import dimension
from gantry.networks.virtual import norm_of, with_reference
from gantry.plan.blocks.point_networks import MlpAutoencoderNetworks, MlpNetworks


def build_generator(
    networks: MlpNetworks | MlpAutoencoderNetworks, latent_dimension: int, sample_shape: tuple[int, ...]
) -> nn.Module:
    """z (B, latent_dimension) → depth × [Linear, BatchNorm, ReLU] → Linear → points (B, D), unbounded."""
    norm = norm_of(networks, nn.BatchNorm1d)
    layers: list[nn.Module] = []
    width = latent_dimension
    for _ in range(networks.depth):
        layers += [Linear(width, networks.width), norm(networks.width), nn.ReLU(inplace=True)]
        width = networks.width
    generator = nn.Sequential(*layers, Linear(width, dimension(networks, sample_shape)))
    initialise(generator)
    return with_reference(networks, generator, latent_dimension)


def build_discriminator(networks: MlpNetworks, sample_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Points (B, D) → maxout_depth × Maxout → Linear → logits (B, outputs).

    Minibatch discrimination, where the recipe has it, stands before the last layer.
    """
    layers: list[nn.Module] = []
    width = dimension(networks, sample_shape)
    for _ in range(networks.maxout_depth):
        layers.append(Maxout(width, networks.units, networks.maxout_pieces))
        width = networks.units
    minibatch, features = minibatch_discrimination(networks, width)
    return nn.Sequential(*layers, *minibatch, Linear(features, outputs))
