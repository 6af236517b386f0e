"""Kernel distance: squared MMD with the kernel (xᵀy/D + 1)³, unbiased; KID on Inception features.

Bińkowski et al. 2018, section 4 and eq. 4; mean and deviation over random subsets, as in their code and in
torch-fidelity, whose draws (legacy generator, seed 2020) are reproduced.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from gantry.errors import UserError
from gantry.metrics.checks import finite_rows, same_width
from gantry.metrics.products import packed, product
from gantry.metrics.threads import workers

BLOCK = 512  # rows and columns of the kernel at once: few enough for the processor's cache


class KernelDistance(NamedTuple):
    """Mean over subsets, may fall slightly below 0, and (population) standard deviation."""

    mean: float
    deviation: float


def kernel_distance(
    generated: ArrayLike, real: ArrayLike, subsets: int = 100, subset_size: int = 1000, seed: int = 2020
) -> KernelDistance:
    """Return the distance between features (N, D) and (M, D).

    Products and sums over up to 512 rows are in the features' precision, all other sums in float64.
    torch-fidelity draws from its first argument first; equal arguments in the same order give its numbers.
    Sets smaller than `subset_size` (torch-fidelity refuses them) are used with subsets of their own size, as
    clean-fid does.
    """
    x, y = finite_rows(generated, "generated features", 2), finite_rows(real, "real features", 2)
    same_width(x, y, "kernel_distance")
    x, y = (rows.astype(np.result_type(x, y), copy=False) for rows in (x, y))
    if subsets < 1 or subset_size < 2:
        raise UserError(f"kernel_distance: {subsets} subsets of {subset_size}; needed are at least 1 and 2")
    m = min(subset_size, len(x), len(y))
    rng = np.random.RandomState(seed)
    draws = [[rng.choice(len(rows), m, replace=False) for rows in (x, y)] for _ in range(subsets)]
    centre = float(x.mean(axis=0, dtype=np.float64) @ y.mean(axis=0, dtype=np.float64)) / x.shape[1]
    in_x, in_y = (np.stack(chosen) for chosen in zip(*draws, strict=True))
    within = (
        _pair_sums(rows, rows, chosen, chosen, centre) - _diagonals(rows, chosen, centre)
        for rows, chosen in ((x, in_x), (y, in_y))
    )
    distances = sum(within) / (m * (m - 1)) - 2 * _pair_sums(x, y, in_x, in_y, centre) / m**2
    return KernelDistance(float(distances.mean()), float(distances.std()))


def _kernel(x: Tensor, y: Tensor, width: int, centre: float) -> Tensor:
    """(xᵀy/D + 1)³ − q³ for all pairs of packed rows, in their precision; D is `width` and q = 1 + `centre`.

    With d = xᵀy/D − centre that is d³ + 3q d² + 3q² d. The distance is the same for K and K − q³, but sums of
    numbers around 0 keep the digits that sums of numbers around q³ lose.
    """
    q = 1 + centre
    d = product(x, y).div_(width).sub_(centre)
    return d.add(3 * q).mul_(d).add_(3 * q * q).mul_(d)


def _pair_sums(x: NDArray, y: NDArray, in_x: NDArray, in_y: NDArray, centre: float) -> NDArray[np.float64]:
    """Σ k(x_i, y_j) over the pairs of each subset (S,), for row numbers (S, m) of either set; k as `_kernel`.

    With indicator rows u, v of a subset the sum is uᵀKv. So K is made once for all subsets, block by block,
    unless all the subsets together hold fewer pairs than K.
    """
    width = x.shape[1]

    def of_subset(i: NDArray, j: NDArray) -> float:
        return float(_kernel(packed(x[i]), packed(y[j]), width, centre).sum(dtype=torch.float64))

    if len(x) * len(y) > in_x.size * in_x.shape[1]:
        with workers() as pool:
            return np.array(list(pool.map(of_subset, in_x, in_y)))
    along_x, along_y = _blocks(x), _blocks(y)
    u, v = _indicators(in_x, x), _indicators(in_y, y)
    # A subset against itself is symmetric: blocks above the diagonal count for those below it.
    symmetric = x is y and in_x is in_y
    tiles = [(i, j) for i in range(len(along_x)) for j in range(i if symmetric else 0, len(along_y))]

    def of_tile(i: int, j: int) -> Tensor:
        (rows, some), (columns, others) = along_x[i], along_y[j]
        # u and v are 0 and 1: sums of so few numbers lose nothing beside the rounding of K itself.
        down = u[:, rows] @ _kernel(some, others, width, centre)
        found = (down.double() * v[:, columns]).sum(dim=1)
        return 2 * found if symmetric and i != j else found

    with workers() as pool:
        return torch.stack(list(pool.map(of_tile, *zip(*tiles, strict=True)))).sum(dim=0).numpy()


def _blocks(rows: NDArray) -> list[tuple[slice, Tensor]]:
    """Blocks of rows: where they are, and packed."""
    here = [slice(start, start + BLOCK) for start in range(0, len(rows), BLOCK)]
    return [(some, packed(rows[some])) for some in here]


def _indicators(chosen: NDArray, rows: NDArray) -> Tensor:
    """(S, N) with 1 where a subset holds a row, in the rows' precision."""
    marks = np.zeros((len(chosen), len(rows)), rows.dtype)
    np.put_along_axis(marks, chosen, 1, axis=1)
    return torch.from_numpy(marks)


def _diagonals(x: NDArray, chosen: NDArray, centre: float) -> NDArray[np.float64]:
    """Σ k(x_i, x_i) over each subset; k as `_kernel`."""
    own = (np.einsum("ij,ij->i", x, x, dtype=np.float64) / x.shape[1] + 1) ** 3 - (1 + centre) ** 3
    return own[chosen].sum(axis=1)
