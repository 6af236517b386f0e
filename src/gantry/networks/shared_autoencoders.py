"""UNIT's pairs for images, and the patch discriminator. Liu et al. 2017, appendix A."""

from gantry.networks.domains import Autoencoders, alike, begun, content_encoders, joined_decoders
from gantry.networks.patchgan import build_discriminator
from gantry.networks.translators import Shape
from gantry.plan.blocks.autoencoders import SharedAutoencodersNetworks


def build_generator(networks: SharedAutoencodersNetworks, inputs: Shape, outputs: Shape) -> Autoencoders:
    """See `content_encoders` and `joined_decoders`: UNIT's."""
    channels, resolution = alike(networks.family, inputs, outputs)
    encoders, decoders = content_encoders(networks, channels, 3), joined_decoders(networks, channels)
    return begun(Autoencoders(encoders, decoders, (4 * networks.width, resolution // 4, resolution // 4)))


__all__ = ["build_discriminator", "build_generator"]
