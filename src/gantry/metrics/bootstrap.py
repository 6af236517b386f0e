"""Intervals by resampling.

Resampling with replacement puts copies into a set, and copies are what the Fréchet distance's bias and every
nearest neighbour react to. Halves drawn without replacement have none, and their spread needs no rescaling:
a mean over n/2 of n varies by σ²(2/n − 1/n) = σ²/n, which is the variance of the mean over all n.
(Shao & Wu 1989: the delete-d jackknife with d = n/2; Politis & Romano 1994 for the percentiles.)
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gantry.errors import UserError


class Interval(NamedTuple):
    """An interval that should hold the score in `level` of all repetitions of the sampling."""

    low: float
    high: float


def bootstrap_intervals(
    compute: Callable[..., Mapping[str, float]],
    sets: Sequence[NDArray],
    values: Mapping[str, float],
    level: float = 0.95,
    resamples: int = 200,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Interval]:
    """Return the interval around each of `values` = compute(*sets), each set halved `resamples` times.

    The halves' scores are moved to have the value in their mean: a biased score's bias at n/2 stays out.
    `progress` is told how many resamples are done.
    """
    if not 0 < level < 1 or resamples < 2:
        raise UserError(f"interval: level {level}, {resamples} resamples; needed are 0 to 1, and at least 2")
    if min(len(rows) for rows in sets) < 4:
        raise UserError("interval: at least 4 samples a set are needed to halve it")
    rng = np.random.default_rng(seed)
    drawn = []
    for done in range(1, resamples + 1):
        drawn.append(compute(*(rows[np.sort(rng.permutation(len(rows))[: len(rows) // 2])] for rows in sets)))
        if progress is not None:
            progress(done)
    intervals = {}
    for name, value in values.items():
        scores = np.array([found[name] for found in drawn])
        low, high = np.quantile(scores - scores.mean(), [(1 - level) / 2, (1 + level) / 2])
        intervals[name] = Interval(float(value + low), float(value + high))
    return intervals
