"""Points → a code → points, by MLPs; a classifier of codes; and the maxout MLP of family mlp."""

import torch
from torch import Tensor, nn

from gantry.errors import UserError
from gantry.networks import mlp
from gantry.networks.codes import Codes, CodeTranslator
from gantry.networks.mlp_autoencoder import rectified
from gantry.networks.translators import Shape
from gantry.plan.blocks.code_translators import MlpCodesNetworks
from gantry.plan.blocks.point_networks import MlpNetworks


class PointCodes(CodeTranslator):
    """Points (B, D) → codes (B, code) → points: `depth` × [Linear, ReLU] → Linear on either side."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def encode(self, x: Tensor) -> Codes:
        return [self.encoder(x)]

    def decode(self, codes: Codes, labels: Tensor) -> Tensor:
        made: Tensor = self.decoder(torch.cat([codes[-1], labels.to(codes[-1].dtype)], dim=1))
        return made


def build_generator(networks: MlpCodesNetworks, inputs: Shape, outputs: Shape) -> nn.Module:
    """See `PointCodes`."""
    if len(inputs) != 1 or len(outputs) != 1:
        raise UserError(
            f"networks.family mlp_codes is for points, and the data set's samples have shape {outputs}: take family "
            "attgan or fader"
        )
    labels = inputs[0] - outputs[0]
    return PointCodes(
        _mlp(networks, outputs[0], networks.code), _mlp(networks, networks.code + labels, outputs[0])
    )


def _mlp(networks: MlpCodesNetworks, inputs: int, outputs: int) -> nn.Module:
    return rectified([inputs, *[networks.width] * networks.depth, outputs])


def build_code_classifier(networks: MlpCodesNetworks, sample_shape: Shape, labels: int) -> nn.Module:
    """Codes → logits (B, labels)."""
    return _mlp(networks, networks.code, labels)


def build_discriminator(networks: MlpCodesNetworks, sample_shape: Shape, outputs: int) -> nn.Module:
    """See `gantry.networks.mlp.build_discriminator`."""
    return mlp.build_discriminator(MlpNetworks(family="mlp", width=networks.width), sample_shape, outputs)
