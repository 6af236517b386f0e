"""Sliced Wasserstein distance between Laplacian pyramids' patches, as in progressive growing.

Each image becomes a Laplacian pyramid from its own resolution down to 16×16. From every level 128 patches
of 7×7 an image are drawn, normalised per set and colour channel, and projected on 4 × 128 random unit
directions; the distance is the mean over directions of the 1-D Wasserstein distance between the sorted
projections, times 10³.       (Karras et al. 2018, section 5 and the authors' metrics/sliced_wasserstein.py)
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn.functional import pad

from gantry.errors import UserError
from gantry.metrics.checks import images_of

PATCH = 7
PATCHES_PER_IMAGE = 128
DIRECTIONS = 4 * 128
LOWEST_RESOLUTION = 16
# Directions handled at once, and images turned into pyramids at once: they bound the memory.
DIRECTION_BLOCK = 64
IMAGE_BLOCK = 256


@dataclass(frozen=True)
class SlicedWasserstein:
    """The distance ×10³ at each pyramid level (keyed by its resolution, finest first), and their mean."""

    levels: dict[int, float]
    mean: float


def sliced_wasserstein(
    real: ArrayLike, generated: ArrayLike, seed: int = 0, device: str = "cpu"
) -> SlicedWasserstein:
    """Return SWD×10³ between two sets of uint8 images (N, R, R, 3), R ≥ 16 a power of two.

    The larger set is cut to the size of the smaller by a random choice, since the projections are matched
    one to one. Everything random follows `seed`: the same seed draws the same patches and directions.
    Where a set is of one flat colour, its normalised patches are 0 (the original divides by zero).
    """
    sets = _same_count(images_of(real, "real images"), images_of(generated, "generated images"), seed)
    distances = {}
    for level, resolution in enumerate(resolutions(sets[0])):
        # Every level draws from a stream of its own, so that a level's number does not hang on the others.
        draws = np.random.default_rng([seed, level])
        a, b = (_descriptors(images, level, draws, device) for images in sets)
        distances[resolution] = 1e3 * _mean_distance(a, b, draws)
    return SlicedWasserstein(distances, float(np.mean(list(distances.values()))))


def resolutions(images: NDArray[np.uint8]) -> list[int]:
    """Return the pyramid's resolutions for square images, finest first, or raise UserError."""
    height, width = images.shape[1:3]
    if height != width or height < LOWEST_RESOLUTION or height & (height - 1):
        raise UserError(
            f"swd: images of {height}×{width}; needed are squares of a power of two from {LOWEST_RESOLUTION}"
        )
    return [height >> level for level in range((height // LOWEST_RESOLUTION).bit_length())]


def _same_count(
    a: NDArray[np.uint8], b: NDArray[np.uint8], seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    if a.shape[1:] != b.shape[1:]:
        raise UserError(f"swd: images of {a.shape[1]}×{a.shape[2]} against {b.shape[1]}×{b.shape[2]}")
    count = min(len(a), len(b))
    rng = np.random.default_rng(seed)

    def cut(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return (
            images if len(images) == count else images[np.sort(rng.choice(len(images), count, replace=False))]
        )

    return cut(a), cut(b)


def _descriptors(images: NDArray[np.uint8], level: int, draws: np.random.Generator, device: str) -> Tensor:
    """Patches of one level, normalised per colour channel: float32 (N·128, 3·7·7)."""
    side = images.shape[1] >> level
    corners = draws.integers(0, side - PATCH + 1, size=(2, len(images), PATCHES_PER_IMAGE))
    rows, columns = torch.from_numpy(corners).to(device)
    patches = torch.empty(len(images), PATCHES_PER_IMAGE, 3, PATCH, PATCH, device=device)
    for start, block in _blocks(images, device):
        detail = laplacian_level(block, level)
        windows = detail.unfold(2, PATCH, 1).unfold(3, PATCH, 1)
        here = slice(start, start + len(block))
        which = torch.arange(len(block), device=device)[:, None].expand(-1, PATCHES_PER_IMAGE)
        patches[here] = windows[which, :, rows[here], columns[here]]
    flat = patches.view(-1, 3, PATCH * PATCH)
    for channel in flat.unbind(1):
        mean = channel.mean(dtype=torch.float64)
        deviation = (channel.to(torch.float64).square().mean() - mean.square()).clamp_min(0).sqrt()
        channel.sub_(mean.float())
        channel.div_(deviation.float() if deviation > 0 else 1.0)
    return flat.view(len(flat), -1)


def _blocks(images: NDArray[np.uint8], device: str) -> Iterator[tuple[int, Tensor]]:
    """Float32 (B, 3, R, R) blocks of the images, values 0 to 255, each with its start."""
    for start in range(0, len(images), IMAGE_BLOCK):
        block = torch.from_numpy(np.ascontiguousarray(images[start : start + IMAGE_BLOCK]))
        yield start, block.to(device).permute(0, 3, 1, 2).float().contiguous()


def laplacian_level(images: Tensor, level: int) -> Tensor:
    """Level `level` of the Laplacian pyramid of images (B, 3, R, R); the last one (16×16) keeps its mean."""
    for _ in range(level):
        images = pyramid_down(images)
    if images.shape[-1] == LOWEST_RESOLUTION:
        return images
    return images - pyramid_up(pyramid_down(images))


def pyramid_down(images: Tensor) -> Tensor:
    """Blur by [1 4 6 4 1]/16 each way, mirrored at the border; keep every second pixel (cv2.pyrDown)."""

    def halve(x: Tensor) -> Tensor:
        x = pad(x, (2, 2, 0, 0), mode="reflect")
        n = x.shape[-1] - 4
        tap = [x[..., k : k + n : 2] for k in range(5)]
        return (tap[0] + tap[4] + 4 * (tap[1] + tap[3]) + 6 * tap[2]) / 16

    return halve(halve(images).mT).mT


def pyramid_up(images: Tensor) -> Tensor:
    """Double the size: zeros between pixels, then the same blur times 4 (cv2.pyrUp)."""

    def double(x: Tensor) -> Tensor:
        # The blur over zero-filled pixels, sorted into even and odd positions; the mirror of the zero-filled
        # row repeats pixel 1 on the left and the last pixel on the right.
        left = torch.cat([x[..., 1:2], x[..., :-1]], dim=-1)
        right = torch.cat([x[..., 1:], x[..., -1:]], dim=-1)
        return torch.stack([(left + 6 * x + right) / 8, (x + right) / 2], dim=-1).flatten(-2)

    return double(double(images).mT).mT


def _mean_distance(a: Tensor, b: Tensor, draws: np.random.Generator) -> float:
    """Mean over random directions of the 1-D Wasserstein-1 distance between two sets of descriptors."""
    directions = draws.standard_normal((DIRECTIONS, a.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lines = torch.from_numpy(directions.astype(np.float32)).to(a.device)
    distances = [
        (_sorted_rows(block @ a.T) - _sorted_rows(block @ b.T)).abs().mean(dtype=torch.float64)
        for block in lines.split(DIRECTION_BLOCK)
    ]
    return float(torch.stack(distances).mean())


def _sorted_rows(projections: Tensor) -> Tensor:
    """Sort each row. On CPU by NumPy, in place, whose vectorised sort is several times torch's."""
    if projections.is_cuda:
        return projections.sort(dim=1).values
    projections.numpy().sort(axis=1)
    return projections
