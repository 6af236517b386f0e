"""Sliced Wasserstein distance between Laplacian pyramids' patches, as in progressive growing.

Each image becomes a Laplacian pyramid from its own resolution down to 16×16; a side that is no power of two is halved
as long as it is even and 16 pixels remain (40, 20), which the authors do not have. From every level 128 patches
of 7×7 an image are drawn, normalised per set and colour channel, and projected on 4 × 128 random unit
directions; the distance is the mean over directions of the 1-D Wasserstein distance between the sorted
projections, times 10³.       (Karras et al. 2018, section 5 and the authors' metrics/sliced_wasserstein.py)
"""

from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from gantry.errors import UserError
from gantry.metrics.checks import images_of
from gantry.metrics.threads import workers

PATCH = 7
PATCHES_PER_IMAGE = 128
DIRECTIONS = 4 * 128
LOWEST_RESOLUTION = 16
DIRECTION_BLOCK = 128  # projected at once: bounds the memory
# Few enough to stay in the processor's cache: pixels made into pyramids at once, patches projected at once.
BLOCK_PIXELS = 1 << 18
BLOCK_PATCHES = 1 << 11


@dataclass(frozen=True)
class SlicedWasserstein:
    """The distance ×10³ at each pyramid level (keyed by its resolution, finest first), and their mean."""

    levels: dict[int, float]
    mean: float


class Descriptors(NamedTuple):
    """Patches of one level, float32 (N·128, 147), with the mean and deviation (3,) of their channels."""

    patches: Tensor
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]


def sliced_wasserstein(
    real: ArrayLike, generated: ArrayLike, seed: int = 0, device: str = "cpu"
) -> SlicedWasserstein:
    """Return SWD×10³ between two sets of uint8 images (N, R, R, 3), R ≥ 16.

    The larger set is cut to the size of the smaller by a random choice, since the projections are matched
    one to one. Everything random follows `seed`: the same seed draws the same patches and directions.
    Where a set is of one flat colour, its normalised patches are 0 (the original divides by zero).
    Memory: 75 KB an image and level for both sets, as all patches are held at once.
    """
    sets = _same_count(images_of(real, "real images"), images_of(generated, "generated images"), seed)
    sides = resolutions(sets[0])
    # Every level draws from a stream of its own, so that a level's number does not hang on the others.
    draws = [np.random.default_rng([seed, level]) for level in range(len(sides))]
    with workers() as pool:
        pyramids = [_descriptors(images, sides, draws, device, pool) for images in sets]
        distances = {
            side: 1e3 * _mean_distance(a, b, rng, pool)
            for side, a, b, rng in zip(sides, *pyramids, draws, strict=True)
        }
    return SlicedWasserstein(distances, float(np.mean(list(distances.values()))))


def resolutions(images: NDArray[np.uint8]) -> list[int]:
    """Return the pyramid's resolutions for square images, finest first, or raise UserError."""
    height, width = images.shape[1:3]
    if height != width or height < LOWEST_RESOLUTION:
        raise UserError(
            f"swd: images of {height}×{width}; needed are squares of {LOWEST_RESOLUTION}×{LOWEST_RESOLUTION} or more"
        )
    sides = [height]
    while sides[-1] % 2 == 0 and sides[-1] // 2 >= LOWEST_RESOLUTION:
        sides.append(sides[-1] // 2)
    return sides


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


def _descriptors(
    images: NDArray[np.uint8],
    sides: list[int],
    draws: list[np.random.Generator],
    device: str,
    pool: Executor,
) -> list[Descriptors]:
    """Patches of every level; where they lie is drawn from the level's stream, rows before columns."""
    count, per_level = len(images), []
    for side, rng in zip(sides, draws, strict=True):
        drawn = rng.integers(0, side - PATCH + 1, size=(2, count, PATCHES_PER_IMAGE))
        shape = (count, PATCHES_PER_IMAGE, 3, PATCH, PATCH)
        # NumPy asks the system for huge pages, which are there several times sooner.
        empty = torch.from_numpy(np.empty(shape, np.float32)) if device == "cpu" else None
        patches = torch.empty(shape, device=device) if empty is None else empty
        per_level.append((torch.from_numpy(drawn).to(device), patches))
    block = max(1, BLOCK_PIXELS // sides[0] ** 2)

    def look(start: int) -> None:
        here = slice(start, start + block)
        pixels = torch.from_numpy(np.array(images[here])).to(device).permute(0, 3, 1, 2).float().contiguous()
        for (corners, patches), level in zip(per_level, laplacian_pyramid(pixels, len(sides)), strict=True):
            patches[here] = _patches_at(level, corners[:, here])

    list(pool.map(look, range(0, count, block)))
    return list(pool.map(_with_moments, [p.view(count * PATCHES_PER_IMAGE, -1) for _, p in per_level]))


def _patches_at(level: Tensor, corners: Tensor) -> Tensor:
    """Patches (B, 128, 3, 7, 7) of images (B, 3, R, R) at corners (2, B, 128): rows and columns."""
    windows = level.unfold(2, PATCH, 1).unfold(3, PATCH, 1).permute(0, 2, 3, 1, 4, 5)
    which = torch.arange(len(level), device=level.device)[:, None]
    if level.is_cuda:
        return windows[which, corners[0], corners[1]]
    # On a CPU NumPy copies a whole patch an index, torch one number.
    return torch.from_numpy(windows.numpy()[which.numpy(), corners[0].numpy(), corners[1].numpy()])


def _with_moments(patches: Tensor) -> Descriptors:
    """Add the moments. An image's 128 grey levels sum up exactly in float32, so a flat set's deviation is 0."""
    sums, squares = torch.zeros(2, 3 * PATCH**2, dtype=torch.float64, device=patches.device)
    for part in patches.view(-1, PATCHES_PER_IMAGE, 3 * PATCH**2).split(16):
        sums += part.sum(dim=1).sum(dim=0, dtype=torch.float64)
        squares += (part * part).sum(dim=1).sum(dim=0, dtype=torch.float64)
    first, second = (x.view(3, -1).mean(dim=1).cpu().numpy() / len(patches) for x in (sums, squares))
    return Descriptors(patches, first, np.sqrt(np.maximum(second - first**2, 0)))


def laplacian_pyramid(images: Tensor, levels: int) -> list[Tensor]:
    """The Laplacian pyramid of images (B, 3, R, R), finest first; the last level keeps its mean."""
    pyramid = [images]
    for _ in range(levels - 1):
        smaller = pyramid_down(pyramid[-1])
        pyramid[-1] = pyramid[-1] - pyramid_up(smaller)
        pyramid.append(smaller)
    return pyramid


def pyramid_down(images: Tensor) -> Tensor:
    """Blur by [1 4 6 4 1]/16 each way, mirrored at the border; keep every second pixel (cv2.pyrDown)."""
    narrow = _halved(images[..., ::2].contiguous(), images[..., 1::2].contiguous(), dim=-1)
    return _halved(narrow[..., ::2, :], narrow[..., 1::2, :], dim=-2)


def _halved(even: Tensor, odd: Tensor, dim: int) -> Tensor:
    """The blur at the even pixels; beyond the borders the mirror shows even₁, odd₀ and the last even pixel."""
    last = even.shape[dim] - 1
    before = torch.cat([even.narrow(dim, 1, 1), even.narrow(dim, 0, last)], dim)
    after = torch.cat([even.narrow(dim, 1, last), even.narrow(dim, last, 1)], dim)
    odd_before = torch.cat([odd.narrow(dim, 0, 1), odd.narrow(dim, 0, last)], dim)
    return before.add_(after).add_(odd_before.add_(odd), alpha=4).add_(even, alpha=6).div_(16)


def pyramid_up(images: Tensor) -> Tensor:
    """Double the size: zeros between pixels, then the same blur times 4 (cv2.pyrUp)."""
    return _doubled(_doubled(images, dim=-2), dim=-1)


def _doubled(x: Tensor, dim: int) -> Tensor:
    """The blur over zero-filled pixels, at even and at odd places; the last pixel repeats on the right."""
    last = x.shape[dim] - 1
    before = torch.cat([x.narrow(dim, 1, 1), x.narrow(dim, 0, last)], dim)
    after = torch.cat([x.narrow(dim, 1, last), x.narrow(dim, last, 1)], dim)
    even = before.add_(after).add_(x, alpha=6).div_(8)
    odd = after.add_(x).div_(2)
    axis = x.dim() + dim
    return torch.stack([even, odd], dim=axis + 1).flatten(axis, axis + 1)


def _mean_distance(a: Descriptors, b: Descriptors, rng: np.random.Generator, pool: Executor) -> float:
    """Mean over random directions of the 1-D Wasserstein-1 distance between two sets of descriptors."""
    directions = rng.standard_normal((DIRECTIONS, 3, PATCH**2))
    directions /= np.sqrt((directions**2).sum(axis=(1, 2), keepdims=True))
    (lines_a, shift_a), (lines_b, shift_b) = (_normalising(directions, some) for some in (a, b))
    # One place for all blocks: a fresh one costs a page fault for every 4 KB.
    room = None if a.patches.is_cuda else np.empty((2, DIRECTION_BLOCK, len(a.patches)), np.float32)
    compare = _compare_on_gpu if room is None else partial(_compare_on_cpu, pool, room)
    total = 0.0
    for start in range(0, DIRECTIONS, DIRECTION_BLOCK):
        here = slice(start, start + DIRECTION_BLOCK)
        total += compare(lines_a[here], a.patches, lines_b[here], b.patches, (shift_a - shift_b)[here])
    return total / DIRECTIONS


def _normalising(directions: NDArray[np.float64], some: Descriptors) -> tuple[NDArray[np.float32], NDArray]:
    """Directions (D, 147) that project raw patches as if normalised, but for a shift (D,).

    ⟨(p − µ)/σ, d⟩ = ⟨p, d/σ⟩ − ⟨µ, d/σ⟩: the patches themselves need not be touched.
    """
    scale = np.divide(1.0, some.deviation, out=np.zeros(3), where=some.deviation > 0)
    lines = directions * scale[:, None]
    shift = -(lines.sum(axis=2) @ some.mean)
    return lines.reshape(len(lines), -1).astype(np.float32), shift


def _compare_on_cpu(
    pool: Executor,
    room: NDArray[np.float32],
    lines_a: NDArray,
    a: Tensor,
    lines_b: NDArray,
    b: Tensor,
    shift: NDArray[np.float64],
) -> float:
    """Sum over the directions of the mean distance, in `room` (2, D, N). NumPy's sort is many times torch's here."""

    def distance(p: NDArray, q: NDArray, offset: float) -> float:
        p.sort()
        q.sort()
        p -= q
        p += np.float32(offset)
        return float(np.abs(p, out=p).mean())

    for found, lines, patches in zip(room, (lines_a, lines_b), (a, b), strict=True):
        _project(pool, torch.from_numpy(lines), patches, torch.from_numpy(found))
    return sum(pool.map(distance, *room, shift))


def _project(pool: Executor, lines: Tensor, patches: Tensor, found: Tensor) -> None:
    """Write patches (N, 147) along each line (D, 147) to `found` (D, N)."""

    def project(start: int) -> None:
        here = slice(start, start + BLOCK_PATCHES)
        found[:, here] = lines @ patches[here].T

    list(pool.map(project, range(0, len(patches), BLOCK_PATCHES)))


def _compare_on_gpu(
    lines_a: NDArray, a: Tensor, lines_b: NDArray, b: Tensor, shift: NDArray[np.float64]
) -> float:
    p, q = (
        (torch.from_numpy(lines).to(a.device) @ patches.T).sort(dim=1).values
        for lines, patches in ((lines_a, a), (lines_b, b))
    )
    offset = torch.from_numpy(shift.astype(np.float32)).to(a.device)
    return float((p - q + offset[:, None]).abs().mean(dim=1, dtype=torch.float64).sum())
