"""Exact 2-Wasserstein distance between two small sets of points.

W₂² = min over matchings of the mean squared distance, solved as an assignment problem. It is O(n³), so it is
computed on a random choice of n points a side; such a choice is itself off the truth by O(n^−½), and real
against real says by how much.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from gantry.metrics.checks import finite_rows, same_width


def wasserstein2(samples: ArrayLike, real: ArrayLike, count: int = 1000, seed: int = 0) -> float:
    """Return W₂ between samples (N, D) and real points (M, D), on `count` of each chosen by `seed`."""
    a, b = finite_rows(samples, "samples"), finite_rows(real, "real points")
    same_width(a, b, "w2")
    rng = np.random.default_rng(seed)
    count = min(count, len(a), len(b))
    a, b = (rows[rng.choice(len(rows), count, replace=False)] for rows in (a, b))
    costs = cdist(a, b, "sqeuclidean")
    return float(np.sqrt(costs[linear_sum_assignment(costs)].mean()))
