"""A mean over training seeds, its 95 % interval, and what that says of a claim."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gantry.plan.output_types.claims import Verdict

Expectation = Literal["lower", "higher"]

CONFIDENCE = 0.95
MOST_SEEDS = 100
# With fewer pairs than this no outcome of the signed-rank test can reach p < 0.05.
LEAST_FOR_RANKS = 6


@dataclass(frozen=True)
class Interval:
    """Mean of n values with Student's 95 % interval (NaN for n < 2), and a rank test's p where n ≥ 6."""

    mean: float
    low: float
    high: float
    n: int
    rank_p: float = np.nan


def interval(values: Sequence[float], than: float = 0.0) -> Interval:
    """Mean, t interval, and the two-sided signed-rank p against `than`, of one value per seed."""
    x = np.asarray(values, dtype=float)
    if len(x) < 2:
        return Interval(float(x.mean()) if len(x) else np.nan, np.nan, np.nan, len(x))
    half = half_width(float(x.std(ddof=1)), len(x))
    p = np.nan
    if len(x) >= LEAST_FOR_RANKS and np.any(x != than):
        from scipy.stats import wilcoxon

        p = float(wilcoxon(x - than).pvalue)
    return Interval(float(x.mean()), float(x.mean()) - half, float(x.mean()) + half, len(x), p)


def half_width(sd: float, n: int) -> float:
    """Half the length of Student's 95 % interval of a mean of n values that deviate by `sd`; NaN for n < 2."""
    return _quantile(n) * sd / n**0.5 if n > 1 else np.nan


def verdict(result: Interval, expect: Expectation, than: float) -> Verdict:
    """Holds if the whole interval lies on the expected side of `than`; does not if none of it does."""
    if result.n < 2:
        return "undecided"
    inside, outside = (
        (result.high < than, result.low >= than)
        if expect == "lower"
        else (result.low > than, result.high <= than)
    )
    return "holds" if inside else "does not hold" if outside else "undecided"


def seeds_to_decide(values: Sequence[float], than: float) -> int | None:
    """How many seeds make the interval leave out `than`, were mean and spread to stay; None: over 100.

    Needs two values at least.
    """
    x = np.asarray(values, dtype=float)
    distance, spread = abs(float(x.mean()) - than), float(x.std(ddof=1))
    for n in range(2, MOST_SEEDS + 1):
        if half_width(spread, n) < distance:
            return n
    return None


def _quantile(n: int) -> float:
    """Student's t at 97.5 % for n values."""
    from scipy.special import stdtrit

    return float(stdtrit(n - 1, 0.5 + CONFIDENCE / 2))
