"""MUNIT's and DRIT's pairs for images, and the patch discriminator. Huang et al. 2018; Lee et al. 2018."""

from torch import Tensor, nn

from gantry.networks.domains import (
    DOMAINS,
    Autoencoders,
    alike,
    begun,
    content_encoders,
    joined_decoders,
    reflected,
    same_size,
)
from gantry.networks.mlp_autoencoder import rectified
from gantry.networks.patchgan import build_discriminator
from gantry.networks.styled import image_style_encoder
from gantry.networks.translators import Shape
from gantry.plan.blocks.autoencoders import ContentStyleNetworks


class Modulated(nn.Module):
    """A convolution, then γ·(x − μ)/σ + β, γ and β of the style. Huang and Belongie 2017, eq. 8."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(*same_size(width, width))
        self.norm = nn.InstanceNorm2d(width)

    def forward(self, x: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
        return gain[:, :, None, None] * self.norm(self.conv(x)) + shift[:, :, None, None]


class LayerNorm(nn.Module):
    """Each image's maps less their mean, over their deviation, times a gain and plus a shift for each channel.

    Instance norm would undo what the style has done. Huang et al. 2018, appendix B.1.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, width)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.norm(x)
        return made


class ModulatedDecoder(nn.Module):
    """(code, style) → image: residual blocks with AdaIN, two doublings with layer norm, k7, tanh. Huang et al. 2018."""

    def __init__(self, networks: ContentStyleNetworks, channels: int) -> None:
        super().__init__()
        width = 4 * networks.width
        self.blocks = nn.ModuleList(Modulated(width) for _ in range(2 * networks.blocks))
        # A gain and a shift for each channel of each norm; gains begin near 1.
        self.gains = rectified([networks.style, width, width, 4 * networks.blocks * width])
        layers: list[nn.Module] = []
        for read in (width, width // 2):
            layers += [
                nn.Upsample(scale_factor=2),
                *reflected(read, read // 2, 5),
                LayerNorm(read // 2),
                nn.ReLU(),
            ]
        self.up = nn.Sequential(*layers, *reflected(width // 4, channels, 7), nn.Tanh())

    def forward(self, code: Tensor, style: Tensor) -> Tensor:
        numbers = self.gains(style).unflatten(1, (len(self.blocks), 2, -1))
        x = code
        for number in range(0, len(self.blocks), 2):
            inner = x
            for place in (number, number + 1):
                gain, shift = 1 + numbers[:, place, 0], numbers[:, place, 1]
                inner = self.blocks[place](inner, gain, shift)
                inner = inner.relu() if place == number else inner
            x = x + inner
        made: Tensor = self.up(x)
        return made


def build_generator(networks: ContentStyleNetworks, inputs: Shape, outputs: Shape) -> Autoencoders:
    """Content maps and styles: see `ModulatedDecoder`, `joined_decoders`, `image_style_encoder`."""
    channels, resolution = alike(networks.family, inputs, outputs)
    encoders = content_encoders(networks, channels, 4 if networks.modulation == "adain" else 3)
    if networks.modulation == "adain":
        decoders: list[nn.Module] = [ModulatedDecoder(networks, channels) for _ in DOMAINS]
    else:
        decoders = joined_decoders(networks, channels)
    styles = [
        image_style_encoder(channels, networks.width, networks.style, networks.gaussian) for _ in DOMAINS
    ]
    shape = (4 * networks.width, resolution // 4, resolution // 4)
    return begun(Autoencoders(encoders, decoders, shape, styles, networks.style))


__all__ = ["build_discriminator", "build_generator"]
