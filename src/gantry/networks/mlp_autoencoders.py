"""Encoders and decoders of points of two domains, against the maxout MLP of family mlp."""

from torch import nn

from gantry.errors import UserError
from gantry.networks.domains import DOMAINS, Autoencoders, Decoder
from gantry.networks.mlp_autoencoder import rectified
from gantry.networks.mlp_translator import build_discriminator
from gantry.networks.styled import point_style_encoder
from gantry.networks.translators import Shape
from gantry.plan.blocks.autoencoders import MlpAutoencodersNetworks


def build_generator(networks: MlpAutoencodersNetworks, inputs: Shape, outputs: Shape) -> Autoencoders:
    """Points (B, D) → `depth` layers → code (B, `code`) → `depth` layers → points; the middle is shared.

    The style is read by the decoder's first own layer.
    """
    if len(inputs) != 1 or inputs != outputs:
        raise UserError(
            f"networks.family mlp_autoencoders is for points, and the data set's inputs and outputs have shapes "
            f"{inputs} and {outputs}: take family shared_autoencoders or content_style"
        )
    own, shared, width = networks.depth - networks.shared, networks.shared, networks.width
    joint = width if shared else networks.code
    into = rectified([*[width] * shared, networks.code]) if shared else nn.Identity()
    out = (
        nn.Sequential(*rectified([networks.code, *[width] * shared]), nn.ReLU()) if shared else nn.Identity()
    )
    encoders, decoders = [], []
    for _ in DOMAINS:
        before = rectified([inputs[0], *[width] * (own - 1), joint])
        encoders.append(nn.Sequential(before, *([nn.ReLU()] if shared else []), into))
        decoders.append(Decoder(out, [rectified([joint + networks.style, *[width] * (own - 1), inputs[0]])]))
    styles = [
        point_style_encoder(inputs[0], width, networks.depth - 1, networks.style, networks.gaussian)
        for _ in DOMAINS
        if networks.style
    ]
    return Autoencoders(encoders, decoders, (networks.code,), styles, networks.style)


__all__ = ["build_discriminator", "build_generator"]
