"""BicycleGAN's pair for points: an MLP of a point and a style, and an encoder of styles."""

from torch import Tensor, nn

from gantry.errors import UserError
from gantry.networks.mlp_autoencoder import rectified
from gantry.networks.mlp_translator import build_discriminator
from gantry.networks.styled import Styled, beside, point_style_encoder
from gantry.networks.translators import Shape
from gantry.plan.blocks.autoencoders import MlpStyleTranslatorNetworks


class StyledMlp(nn.Module):
    """Points (B, D) and styles (B, S) → points (B, D′)."""

    def __init__(self, networks: MlpStyleTranslatorNetworks, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layers = rectified([inputs + networks.style, *[networks.width] * networks.depth, outputs])

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        made: Tensor = self.layers(beside(x, style))
        return made


def build_generator(networks: MlpStyleTranslatorNetworks, inputs: Shape, outputs: Shape) -> Styled:
    """See `StyledMlp`; the encoder has as many layers of the same width."""
    if len(inputs) != 1 or len(outputs) != 1:
        raise UserError(
            "networks.family mlp_style_translator is for points, and the data set's inputs and outputs have shapes "
            f"{inputs} and {outputs}: take family style_unet"
        )
    generator = StyledMlp(networks, inputs[0], outputs[0])
    encoder = point_style_encoder(outputs[0], networks.width, networks.depth, networks.style, gaussian=True)
    return Styled(generator, encoder, networks.style)


__all__ = ["build_discriminator", "build_generator"]
