"""Intervals by resampling.

Resampling with replacement puts copies into a set, and copies are what the Fréchet distance's bias and every
nearest neighbour react to. Halves drawn without replacement have none, and their spread needs no rescaling:
a mean over n/2 of n varies by σ²(2/n − 1/n) = σ²/n, which is the variance of the mean over all n.
What they cover is the expected score: the mean of what samples of this size score, which is not without that size's
bias. (An audit of the scores here found it inside in 0.95 to 0.99 of cases at a level of 0.95; the variance of 200
exponential numbers, as skewed as statistics get, in 0.88.) One other repetition's score varies twice as much around
this one, and lies inside less often (0.84 to 0.93, and 0.77).
(Shao & Wu 1989: the delete-d jackknife with d = n/2; Politis & Romano 1994 for the percentiles.)
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gantry.errors import UserError


class Interval(NamedTuple):
    """An interval that should hold the expected score of samples of this size in `level` of all repetitions."""

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
    """Return the interval for the expected score, around each of `values` = compute(*sets).

    Each set is halved `resamples` times, and the halves' scores are moved to have the value in their mean: a biased
    score's bias at n/2 stays out.
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
