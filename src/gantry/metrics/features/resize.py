"""The ways in which the reference implementations bring an image to their network's size.

Each resize is separable, so it is two products with a small matrix: R_rows · image · R_columnsᵀ. That runs
at the network's pace on any device, where the references resize image by image with Pillow.
"""

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import interpolate

Matrix = Tensor


def clean(images: Tensor, side: int) -> Tensor:
    """clean-fid's: Pillow's antialiased bicubic in floating point, clipped to [0, 255]. (B, 3, H, W)."""
    return _by_matrices(images, side, _pillow_bicubic).clamp(0, 255)


def legacy_pytorch(images: Tensor, side: int) -> Tensor:
    """pytorch-fid's: bilinear between pixel centres, without antialiasing. (B, 3, H, W)."""
    return interpolate(images, size=(side, side), mode="bilinear", align_corners=False)


def legacy_tensorflow(images: Tensor, side: int) -> Tensor:
    """TensorFlow 1's: bilinear between pixels' upper left corners, without antialiasing. (B, 3, H, W)."""
    return _by_matrices(images, side, _corner_bilinear)


def _by_matrices(images: Tensor, side: int, weights: Callable[[int, int], Matrix]) -> Tensor:
    rows, columns = (weights(extent, side).to(images.device) for extent in images.shape[-2:])
    # Columns first and rows second, as Pillow does it.
    return rows @ (images @ columns.T)


@lru_cache(maxsize=16)
def _pillow_bicubic(extent: int, side: int) -> Matrix:
    """(side, extent) weights of Pillow's bicubic filter (a = −½), widened by the scale when shrinking."""
    scale = extent / side
    stretch = max(scale, 1.0)
    centres = (torch.arange(side, dtype=torch.float64) + 0.5) * scale
    # Pillow cuts the window to whole pixels before it weighs them.
    first = (centres - 2.0 * stretch + 0.5).floor().clamp(min=0)
    last = (centres + 2.0 * stretch + 0.5).floor().clamp(max=extent)
    pixels = torch.arange(extent, dtype=torch.float64)
    x = ((pixels - centres[:, None] + 0.5) / stretch).abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    weights = torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))
    weights = weights * ((pixels >= first[:, None]) & (pixels < last[:, None]))
    return (weights / weights.sum(dim=1, keepdim=True)).float()


@lru_cache(maxsize=16)
def _corner_bilinear(extent: int, side: int) -> Matrix:
    """(side, extent) weights of linear interpolation at i · extent / side, the last pixel held."""
    position = torch.arange(side, dtype=torch.float64) * (extent / side)
    low = position.floor().long().clamp(max=extent - 1)
    high = (low + 1).clamp(max=extent - 1)
    share = (position - low).unsqueeze(1)
    weights = torch.zeros(side, extent, dtype=torch.float64)
    weights.scatter_add_(1, low.unsqueeze(1), 1 - share)
    weights.scatter_add_(1, high.unsqueeze(1), share)
    return weights.float()


RESIZE: dict[str, Callable[[Tensor, int], Tensor]] = {
    "clean": clean,
    "legacy_pytorch": legacy_pytorch,
    "legacy_tensorflow": legacy_tensorflow,
}
