"""pix2pix's pair: the U-Net and the patch discriminator. Isola et al. 2017, 6.1."""

import torch
from torch import Tensor, nn

from gantry.networks.patchgan import build_discriminator
from gantry.networks.translators import NORMS, Shape, has_bias, square, started
from gantry.plan.blocks.translators import UnetNetworks


class Unet(nn.Module):
    """Images (B, C, R, R) → (B, C′, R, R) in [−1, 1]: halvings, as many doublings, skips. Isola et al. 2017, 6.1.1.

    Down, 64-128-256-512-512-…: LeakyReLU 0.2, a norm but in the first layer and the innermost. Up: ReLU, a norm but in
    the last; dropout ½ behind the first three, in training alone. A layer on the way up reads what comes up and the
    skip.
    """

    def __init__(self, networks: UnetNetworks, inputs: int, outputs: int, resolution: int) -> None:
        super().__init__()
        norm, bias = NORMS[networks.norm], has_bias(networks)
        widths = [networks.width * min(8, 1 << level) for level in range(networks.halvings_of(resolution))]
        innermost = len(widths) - 1
        self.skips = networks.skips
        self.down = nn.ModuleList()
        for level, (before, after) in enumerate(zip([inputs, *widths], widths, strict=False)):
            rectified: list[nn.Module] = [nn.LeakyReLU(0.2)] if level else []
            normalised = [norm(after)] if 0 < level < innermost else []
            self.down.append(
                nn.Sequential(*rectified, nn.Conv2d(before, after, 4, 2, 1, bias=bias), *normalised)
            )
        self.up = nn.ModuleList()
        for level in range(innermost, 0, -1):
            read, made = widths[level], widths[level - 1]
            read *= 2 if self.skips and level < innermost else 1
            dropout = [nn.Dropout(0.5)] if networks.dropout and innermost - level < 3 else []
            doubling = nn.ConvTranspose2d(read, made, 4, 2, 1, bias=bias)
            self.up.append(nn.Sequential(nn.ReLU(), doubling, norm(made), *dropout))
        read = widths[0] * (2 if self.skips and innermost else 1)
        self.up.append(nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(read, outputs, 4, 2, 1), nn.Tanh()))

    def forward(self, x: Tensor) -> Tensor:
        passed = []
        for block in self.down:
            x = block(x)
            passed.append(x)
        for block, skip in zip(self.up, [None, *passed[-2::-1]], strict=True):
            x = block(x if skip is None or not self.skips else torch.cat([x, skip], dim=1))
        return x


def build_generator(networks: UnetNetworks, inputs: Shape, outputs: Shape) -> nn.Module:
    """See `Unet`."""
    channels, resolution = square(networks.family, inputs, outputs)
    return started(Unet(networks, channels, outputs[0], resolution))


__all__ = ["build_discriminator", "build_generator"]
