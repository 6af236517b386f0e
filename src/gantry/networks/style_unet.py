"""BicycleGAN's pair for images: a U-Net that reads a style, an encoder of styles, and the patch discriminator."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from gantry.networks.patchgan import build_discriminator
from gantry.networks.styled import Styled, beside, image_style_encoder
from gantry.networks.translators import NORMS, Shape, has_bias, square, started
from gantry.plan.blocks.autoencoders import StyleUnetNetworks


class StyledUnet(nn.Module):
    """Images (B, C, R, R) and styles (B, S) → (B, C′, R, R) in [−1, 1]; each layer down reads the style.

    Otherwise `gantry.networks.unet.Unet`, without dropout: its place is the style's. Zhu et al. 2017, figure 3.
    """

    def __init__(self, networks: StyleUnetNetworks, inputs: int, outputs: int, resolution: int) -> None:
        super().__init__()
        norm, bias = NORMS[networks.norm], has_bias(networks)
        self.skips = networks.skips
        count = networks.halvings_of(resolution)
        widths = [inputs, *(networks.width * min(8, 1 << level) for level in range(count))]
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, (before, after) in enumerate(pairwise(widths)):
            plain = level in (0, count - 1)
            layer = nn.Conv2d(before + networks.style, after, 4, 2, 1, bias=bias)
            first = [nn.LeakyReLU(0.2)] if level else []
            self.down.append(nn.Sequential(*first, layer, *([] if plain else [norm(after)])))
        made = [outputs, *widths[1:]]
        for level in range(count - 1, -1, -1):
            joined = widths[level + 1] * (2 if level < count - 1 and networks.skips else 1)
            doubling = nn.ConvTranspose2d(joined, made[level], 4, 2, 1, bias=bias or not level)
            self.up.append(nn.Sequential(nn.ReLU(), doubling, norm(made[level]) if level else nn.Tanh()))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        passed: list[Tensor] = []
        for block in self.down:
            x = block(beside(x, style))
            passed.append(x)
        for block, skip in zip(self.up, [None, *passed[-2::-1]], strict=True):
            x = block(x if skip is None or not self.skips else torch.cat([x, skip], dim=1))
        return x


def build_generator(networks: StyleUnetNetworks, inputs: Shape, outputs: Shape) -> Styled:
    """See `StyledUnet` and `image_style_encoder`."""
    channels, resolution = square(networks.family, inputs, outputs)
    generator = StyledUnet(networks, channels, outputs[0], resolution)
    encoder = image_style_encoder(outputs[0], networks.width, networks.style, gaussian=True)
    started(generator)
    return Styled(generator, encoder, networks.style)


__all__ = ["build_discriminator", "build_generator"]
