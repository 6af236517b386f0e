"""Squared Euclidean distances between feature sets, one block of rows at a time: never the whole matrix."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gantry.errors import UserError
from gantry.metrics.checks import finite_rows, same_width

Rows = NDArray[np.float64]
BLOCK = 1024


def centred_pair(a: NDArray, b: NDArray, least: int) -> tuple[Rows, Rows]:
    """Return two feature sets (N, D), (M, D) as float64, moved so that b's mean is the origin.

    Distances do not change by it, and their expansion into products loses fewer digits.
    """
    first, second = finite_rows(a, "real features", least), finite_rows(b, "generated features", least)
    same_width(first, second, "features")
    origin = second.mean(axis=0, dtype=np.float64)
    return first.astype(np.float64) - origin, second.astype(np.float64) - origin


def squared_blocks(a: Rows, b: Rows) -> Iterator[tuple[slice, Rows]]:
    """Yield (rows, ‖a_i − b_j‖² for i in rows and every j): float64 (≤ 1024, M), ≥ 0."""
    b_lengths = np.einsum("ij,ij->i", b, b)
    for start in range(0, len(a), BLOCK):
        block = a[start : start + BLOCK]
        squared = block @ b.T
        squared *= -2.0
        squared += b_lengths
        squared += np.einsum("ij,ij->i", block, block)[:, None]
        yield slice(start, start + len(block)), np.maximum(squared, 0.0, out=squared)


def own_blocks(a: Rows) -> Iterator[tuple[slice, Rows]]:
    """As `squared_blocks(a, a)`, with infinity where a row would meet itself."""
    for rows, squared in squared_blocks(a, a):
        squared[np.arange(len(squared)), np.arange(rows.start, rows.stop)] = np.inf
        yield rows, squared


def squared_radii(a: Rows, k: int) -> Rows:
    """Squared distance of each row to its k-th nearest other row (N,)."""
    if not 1 <= k < len(a):
        raise UserError(f"{k} nearest neighbours among {len(a)} samples: at least {k + 1} samples are needed")
    radii = np.empty(len(a))
    for rows, squared in own_blocks(a):
        squared.partition(k - 1, axis=1)
        radii[rows] = squared[:, k - 1]
    return radii
