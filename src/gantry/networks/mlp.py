"""The pair of BCGAN's synthetic experiment (section 3.2): a ReLU MLP against a maxout MLP, for points."""

from torch import nn

from gantry.errors import UserError
from gantry.networks.initialise import initialise
from gantry.networks.linear import Linear
from gantry.networks.maxout import Maxout
from gantry.networks.minibatch import MinibatchDiscrimination
from gantry.networks.virtual import norm_of, with_reference
from gantry.plan.architectures import mlp_discriminator, mlp_generator
from gantry.plan.blocks.networks import MlpAutoencoderNetworks, MlpNetworks
from gantry.plan.layers import Minibatch

Points = MlpNetworks | MlpAutoencoderNetworks


def build_generator(networks: Points, latent_dimension: int, sample_shape: tuple[int, ...]) -> nn.Module:
    """z (B, latent_dimension) → depth × [Linear, BatchNorm, ReLU] → Linear → points (B, D), unbounded."""
    *hidden, last = mlp_generator(networks, latent_dimension, dimension(networks, sample_shape))
    norm = norm_of(networks, nn.BatchNorm1d)
    layers: list[nn.Module] = []
    for dense in hidden:
        layers += [Linear(dense.inputs, dense.outputs), norm(dense.outputs), nn.ReLU(inplace=True)]
    generator = nn.Sequential(*layers, Linear(last.inputs, last.outputs))
    initialise(generator)
    return with_reference(networks, generator, latent_dimension)


def build_discriminator(networks: MlpNetworks, sample_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Points (B, D) → maxout_depth × Maxout → Linear → logits (B, outputs).

    Minibatch discrimination, where the recipe has it, stands before the last layer.
    """
    *hidden, last = mlp_discriminator(networks, dimension(networks, sample_shape), outputs)
    layers = [
        MinibatchDiscrimination(layer)
        if isinstance(layer, Minibatch)
        else Maxout(layer.inputs, networks.units, networks.maxout_pieces)
        for layer in hidden
    ]
    return nn.Sequential(*layers, Linear(last.inputs, last.outputs))


def dimension(networks: Points, sample_shape: tuple[int, ...]) -> int:
    """Return D of points (D,). UserError for samples of another shape."""
    if len(sample_shape) != 1:
        raise UserError(
            f"networks.family {networks.family}: the data set's samples have shape {tuple(sample_shape)}, but this "
            "family is for points such as (2,); use family dcgan for images"
        )
    return sample_shape[0]
