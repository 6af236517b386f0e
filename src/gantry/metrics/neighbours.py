"""1-nearest-neighbour two-sample test: can a neighbour tell real from generated?

Lopez-Paz & Oquab 2017; the two parts apart as Xu et al. 2018, section 2. The ideal is 0.5. Near 1 the sets
differ; near 0 each generated sample is a copy of a real one. A collapsed generator shows as a real part
near 1 less the samples whose neighbour is the collapsed one, and a generated part near 1.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gantry.metrics.distances import Rows, centred_pair, own_blocks, squared_blocks


class NeighbourAccuracy(NamedTuple):
    """Leave-one-out accuracy over both sets, over the real samples, over the generated ones: 0 to 1."""

    overall: float
    real: float
    generated: float


def neighbour_accuracy(real: ArrayLike, generated: ArrayLike, seed: int = 0) -> NeighbourAccuracy:
    """Return the leave-one-out accuracies for real (N, D) and generated (M, D) features, N, M ≥ 2.

    The larger set is cut to the size of the smaller by a choice that follows `seed`, since unequal sets
    shift the chance level. A tie between the nearest of either set counts half.
    """
    rng = np.random.default_rng(seed)
    sets = [np.asarray(real), np.asarray(generated)]
    count = min(map(len, sets))
    cut = [s if len(s) == count else s[np.sort(rng.choice(len(s), count, replace=False))] for s in sets]
    x, y = centred_pair(cut[0], cut[1], least=2)
    to_generated, to_real = np.empty(count), np.full(count, np.inf)
    for rows, squared in squared_blocks(x, y):
        to_generated[rows] = squared.min(axis=1)
        to_real = np.minimum(to_real, squared.min(axis=0))
    parts = [_right(_nearest_own(own), other) for own, other in ((x, to_generated), (y, to_real))]
    return NeighbourAccuracy(float(np.mean(parts)), *parts)


def _nearest_own(a: Rows) -> Rows:
    nearest = np.empty(len(a))
    for rows, squared in own_blocks(a):
        nearest[rows] = squared.min(axis=1)
    return nearest


def _right(own: Rows, other: Rows) -> float:
    """Share of samples whose nearest neighbour comes from their own set."""
    return float((own < other).mean() + (own == other).mean() / 2)
