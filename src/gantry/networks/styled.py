"""What translators with styles have in common: encoders of styles, and how a style comes to stand beside maps."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from gantry.networks.encoders import MomentsEncoder
from gantry.networks.mlp_autoencoder import rectified
from gantry.networks.translators import started


def beside(maps: Tensor, style: Tensor) -> Tensor:
    """Return (B, C + S, …): maps (B, C, …) and the style (B, S), the same at each place."""
    planes = style.view(*style.shape, *[1] * (maps.dim() - 2)).expand(-1, -1, *maps.shape[2:])
    return torch.cat([maps, planes], dim=1)


def point_style_encoder(dimension: int, width: int, depth: int, style: int, gaussian: bool) -> MomentsEncoder:
    """Points (B, D) → (B, S) twice: `depth` hidden layers."""
    body = nn.Sequential(*rectified([dimension, *[width] * depth]), nn.ReLU())
    return MomentsEncoder(body, width, style, gaussian)


def image_style_encoder(channels: int, width: int, style: int, gaussian: bool) -> MomentsEncoder:
    """Images (B, C, R, R) → (B, S) twice: k7, four k4s2, the mean over places, dense; ReLU, no norm.

    A norm would take away means and deviations, in which the style lies. Huang et al. 2018, appendix B.1.
    """
    widths = [channels, width, 2 * width, 4 * width, 4 * width, 4 * width]
    layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(channels, width, 7), nn.ReLU()]
    for before, after in pairwise(widths[1:]):
        layers += [nn.Conv2d(before, after, 4, 2, 1), nn.ReLU()]
    body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    started(body)
    return MomentsEncoder(body, 4 * width, style, gaussian)


class Styled(nn.Module):
    """A translator G(x, z) and the encoder of styles E(y) that belongs to it."""

    def __init__(self, generator: nn.Module, encoder: MomentsEncoder, style: int) -> None:
        super().__init__()
        self.generator = generator
        self.encoder = encoder
        self.style = style
