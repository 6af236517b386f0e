"""Kernel distance: squared MMD with the kernel (xᵀy/D + 1)³, unbiased; KID on Inception features.

Bińkowski et al. 2018, section 4 and eq. 4; mean and deviation over random subsets, as in their code and in
torch-fidelity, whose draws (legacy generator, seed 2020) are reproduced.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gantry.errors import UserError
from gantry.metrics.checks import finite_rows, same_width
from gantry.metrics.products import Packed, packed, product

BLOCK = 512  # rows of the kernel at once: few enough for the processor's cache


class KernelDistance(NamedTuple):
    """Mean over subsets, may fall slightly below 0, and (population) standard deviation."""

    mean: float
    deviation: float


def kernel_distance(
    generated: ArrayLike, real: ArrayLike, subsets: int = 100, subset_size: int = 1000, seed: int = 2020
) -> KernelDistance:
    """Return the distance between features (N, D) and (M, D); products in their precision, sums in float64.

    torch-fidelity draws from its first argument first; equal arguments in the same order give its numbers.
    Sets smaller than `subset_size` (torch-fidelity refuses them) are used with subsets of their own size, as
    clean-fid does.
    """
    x, y = finite_rows(generated, "generated features", 2), finite_rows(real, "real features", 2)
    same_width(x, y, "kernel_distance")
    if subsets < 1 or subset_size < 2:
        raise UserError(f"kernel_distance: {subsets} subsets of {subset_size}; needed are at least 1 and 2")
    m = min(subset_size, len(x), len(y))
    rng = np.random.RandomState(seed)
    draws = [[rng.choice(len(rows), m, replace=False) for rows in (x, y)] for _ in range(subsets)]
    in_x, in_y = (np.stack(chosen) for chosen in zip(*draws, strict=True))
    within = (
        _pair_sums(rows, rows, chosen, chosen) - _diagonals(rows, chosen)
        for rows, chosen in ((x, in_x), (y, in_y))
    )
    distances = sum(within) / (m * (m - 1)) - 2 * _pair_sums(x, y, in_x, in_y) / m**2
    return KernelDistance(float(distances.mean()), float(distances.std()))


def _kernel(x: Packed, y: Packed) -> NDArray[np.float64]:
    """(xᵀy/D + 1)³ for all pairs of rows of x/√D and y/√D; no power, which would take longest."""
    base = product(x, y)
    base += 1
    cube = base * base
    cube *= base
    return cube.astype(np.float64, copy=False)


def _pair_sums(x: NDArray, y: NDArray, in_x: NDArray, in_y: NDArray) -> NDArray[np.float64]:
    """Σ k(x_i, y_j) over the pairs of each subset (S,), for row numbers (S, m) of either set.

    With indicator rows u, v of a subset the sum is uᵀKv. So K is made once for all subsets, block by block,
    unless all the subsets together hold fewer pairs than K.
    """
    left, right = (rows / np.sqrt(rows.shape[1], dtype=rows.dtype) for rows in (x, y))
    if len(x) * len(y) > in_x.size * in_x.shape[1]:
        pairs = zip(in_x, in_y, strict=True)
        return np.array([_kernel(packed(left[i]), packed(right[j])).sum() for i, j in pairs])
    u, v = _indicators(in_x, len(x)), _indicators(in_y, len(y))
    along_x, along_y = (
        [
            (slice(start, start + BLOCK), packed(rows[start : start + BLOCK]))
            for start in range(0, len(rows), BLOCK)
        ]
        for rows in (left, right)
    )
    # A subset against itself is symmetric: blocks above the diagonal count for those below it.
    symmetric = x is y and in_x is in_y
    sums = np.zeros(len(in_x))
    for index, (rows, some) in enumerate(along_x):
        for other, (columns, others) in enumerate(along_y):
            if symmetric and other < index:
                continue
            found = np.einsum("sj,sj->s", u[:, rows] @ _kernel(some, others), v[:, columns])
            sums += 2 * found if symmetric and other > index else found
    return sums


def _indicators(chosen: NDArray, count: int) -> NDArray[np.float64]:
    marks = np.zeros((len(chosen), count))
    np.put_along_axis(marks, chosen, 1.0, axis=1)
    return marks


def _diagonals(x: NDArray, chosen: NDArray) -> NDArray[np.float64]:
    """Σ k(x_i, x_i) over each subset."""
    own = (np.einsum("ij,ij->i", x, x) / x.shape[1] + 1).astype(np.float64) ** 3
    return own[chosen].sum(axis=1)
