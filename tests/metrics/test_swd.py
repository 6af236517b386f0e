"""SWD against an independent NumPy computation written from the paper's description, and its properties."""

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve

from gantry.errors import UserError
from gantry.metrics import swd as swd_module
from gantry.metrics.swd import DIRECTIONS, PATCH, PATCHES_PER_IMAGE, resolutions, sliced_wasserstein
from gantry.metrics.threads import workers

KERNEL = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1])[None, None] / 256.0


def down(x: np.ndarray) -> np.ndarray:
    return convolve(x, KERNEL, mode="mirror")[:, :, ::2, ::2]


def up(x: np.ndarray) -> np.ndarray:
    wide = np.zeros((*x.shape[:2], x.shape[2] * 2, x.shape[3] * 2))
    wide[:, :, ::2, ::2] = x
    return convolve(wide, KERNEL * 4, mode="mirror")


def pyramid(images: np.ndarray) -> list[np.ndarray]:
    levels = [images.transpose(0, 3, 1, 2).astype(np.float64)]
    while levels[-1].shape[-1] % 2 == 0 and levels[-1].shape[-1] >= 32:
        smaller = down(levels[-1])
        levels[-1] = levels[-1] - up(smaller)
        levels.append(smaller)
    return levels


def straightforward(real: np.ndarray, generated: np.ndarray, seed: int) -> list[float]:
    """The whole metric in float64 loops; only the order of the random draws is shared."""
    results = []
    for level, pair in enumerate(zip(pyramid(real), pyramid(generated), strict=True)):
        rng = np.random.default_rng([seed, level])
        descriptors = []
        for images in pair:
            side = images.shape[-1]
            rows, columns = rng.integers(0, side - PATCH + 1, size=(2, len(images), PATCHES_PER_IMAGE))
            patches = np.stack(
                [
                    images[i, :, r : r + PATCH, c : c + PATCH]
                    for i in range(len(images))
                    for r, c in zip(rows[i], columns[i], strict=True)
                ]
            )
            patches = patches - patches.mean(axis=(0, 2, 3), keepdims=True)
            patches = patches / patches.std(axis=(0, 2, 3), keepdims=True)
            descriptors.append(patches.reshape(len(patches), -1))
        directions = rng.standard_normal((DIRECTIONS, PATCH * PATCH * 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        a, b = (np.sort(d @ directions.T, axis=0) for d in descriptors)
        results.append(1e3 * np.abs(a - b).mean())
    return results


def pictures(count: int, side: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 200, (count, side // 8, side // 8, 3))
    return (coarse.repeat(8, 1).repeat(8, 2) + rng.integers(0, 55, (count, side, side, 3))).astype(np.uint8)


@pytest.mark.parametrize(("side", "sides"), [(16, [16]), (32, [32, 16]), (64, [64, 32, 16]), (40, [40, 20])])
def test_equals_an_independent_computation(side: int, sides: list[int]) -> None:
    real, generated = pictures(12, side, 1), 255 - pictures(12, side, 2) // 2
    result = sliced_wasserstein(real, generated, seed=5)
    expected = straightforward(real, generated, 5)
    assert list(result.levels) == resolutions(real) == sides
    np.testing.assert_allclose(list(result.levels.values()), expected, rtol=1e-4)
    assert result.mean == pytest.approx(np.mean(expected), rel=1e-4)


def test_real_against_real_is_small_and_worse_images_score_worse() -> None:
    real, other = pictures(60, 32, 3), pictures(60, 32, 4)
    noise = np.random.default_rng(5).integers(0, 256, real.shape, dtype=np.uint8)
    near, far = sliced_wasserstein(real, other).mean, sliced_wasserstein(real, noise).mean
    assert 0 < near < 0.7 * far


def test_the_larger_set_is_cut_and_the_seed_decides_everything() -> None:
    real, generated = pictures(50, 16, 6), pictures(20, 16, 7)
    assert sliced_wasserstein(real, generated, 1) == sliced_wasserstein(real, generated, 1)
    assert sliced_wasserstein(real, generated, 1) != sliced_wasserstein(real, generated, 2)


def test_on_a_gpu_the_comparison_is_the_same() -> None:
    rng = np.random.default_rng(8)
    a, b = (torch.from_numpy(rng.standard_normal((300, 147), dtype=np.float32)) for _ in "ab")
    lines_a, lines_b = rng.standard_normal((2, 16, 147), dtype=np.float32)
    shift = rng.standard_normal(16)
    with workers() as pool:
        room = np.empty((2, 16, 300), np.float32)
        expected = swd_module._compare_on_cpu(pool, room, lines_a, a, lines_b, b, shift)
    assert swd_module._compare_on_gpu(lines_a, a, lines_b, b, shift) == pytest.approx(expected, rel=1e-5)


def test_a_flat_colour_gives_a_number() -> None:
    flat = np.full((4, 16, 16, 3), 7, dtype=np.uint8)
    assert sliced_wasserstein(flat, flat).mean == 0
    assert np.isfinite(sliced_wasserstein(pictures(4, 16, 8), flat).mean)


def test_bad_input_is_one_clear_message() -> None:
    good = pictures(4, 16, 9)
    with pytest.raises(UserError, match="8×8"):
        sliced_wasserstein(good[:, :8, :8], good[:, :8, :8])
    with pytest.raises(UserError, match="16×16 against 32×32"):
        sliced_wasserstein(good, pictures(4, 32, 9))
    with pytest.raises(UserError, match="expected uint8 images"):
        sliced_wasserstein(good.astype(np.float32), good)
