"""An MLP that maps points to points, against the maxout MLP of family mlp."""

from torch import nn

from gantry.errors import UserError
from gantry.networks import mlp
from gantry.networks.mlp_autoencoder import rectified
from gantry.networks.translators import Shape
from gantry.plan.blocks.point_networks import MlpNetworks
from gantry.plan.blocks.translators import MlpTranslatorNetworks


def build_generator(networks: MlpTranslatorNetworks, inputs: Shape, outputs: Shape) -> nn.Module:
    """Points (B, D) → depth × [Linear, ReLU] → Linear → points (B, D′)."""
    if len(inputs) != 1 or len(outputs) != 1:
        raise UserError(
            f"networks.family mlp_translator is for points, and the data set's inputs and outputs have shapes {inputs} "
            f"and {outputs}: take family unet or resnet_blocks"
        )
    return rectified([inputs[0], *[networks.width] * networks.depth, outputs[0]])


def build_discriminator(networks: MlpTranslatorNetworks, sample_shape: Shape, outputs: int) -> nn.Module:
    """See `gantry.networks.mlp.build_discriminator`."""
    return mlp.build_discriminator(MlpNetworks(family="mlp", width=networks.width), sample_shape, outputs)
