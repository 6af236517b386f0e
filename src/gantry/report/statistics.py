"""What numbers of a few training runs say: an interval, the p of a test, a verdict, how many seeds would decide.

The rule, with the errors that it makes, stands in docs/claims.md. Every test is one-sided twice, below and above
a boundary, at 2.5 % each: a wrong verdict in at most 5 % of cases.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from math import comb
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gantry.plan.output_types.claims import Expectation, Verdict

CONFIDENCE = 0.95
LEVEL = 1 - CONFIDENCE
SIDE = LEVEL / 2
# Fewer runs decide nothing: with two the interval's critical value is 12.7, and a chance order is common.
LEAST_SEEDS = 3
# Fewer numbers cannot all lie on one side with p ≤ 2.5 % (1/2⁵ is 3.1 %).
LEAST_FOR_SIGNS = 6
# A correlation over seeds is believed from this many on, at this p; only then are seeds paired.
LEAST_FOR_PAIRS, PAIRS_P = 6, 0.001
NOT_NORMAL_P = 0.01
POWER = 0.8
MOST_SEEDS = 100
MOST_PERMUTATIONS = 20_000

Values = Sequence[float] | NDArray[np.float64]
# The smallest and largest value that a quantity can have.
Bounds = tuple[float, float]


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % interval (NaN where there is none), of `n` runs a side, with its standard error."""

    mean: float
    low: float
    high: float
    n: int
    error: float = np.nan
    freedom: float = np.nan


@dataclass(frozen=True)
class Evidence:
    """An estimate with its interval, and one-sided p that what it estimates lies below or above a boundary.

    p is NaN where no test is possible, and `test` says why. `centre` is what is estimated.
    """

    interval: Interval
    below: float
    above: float
    test: str
    centre: Literal["mean", "median"] = "mean"


@dataclass(frozen=True)
class Judged:
    """A verdict with the two-sided p behind it (NaN where nothing was tested), and the test it rests on."""

    tested: Evidence
    verdict: Verdict
    p: float


def contrast(weights: Sequence[float], samples: Sequence[Values]) -> Interval:
    """Return Σ weight × mean over independent samples, with the interval of Welch and Satterthwaite.

    One sample of weight 1 gives Student's interval, two of weights 1 and −1 Welch's (Welch 1947).
    """
    sizes = np.array([len(sample) for sample in samples])
    if not len(sizes) or not sizes.min():
        return Interval(np.nan, np.nan, np.nan, 0)
    mean = float(sum(weight * np.mean(sample) for weight, sample in zip(weights, samples, strict=True)))
    if sizes.min() < 2:
        return Interval(mean, np.nan, np.nan, int(sizes.min()))
    parts = np.array(
        [weight**2 * np.var(sample, ddof=1) for weight, sample in zip(weights, samples, strict=True)]
    )
    return _interval(mean, parts / sizes, sizes)


def _interval(mean: float, parts: NDArray[np.float64], sizes: NDArray[np.int64]) -> Interval:
    from scipy.special import stdtrit

    variance = parts.sum()
    # Without any spread the degrees of freedom are 0/0; the interval has no width whatever they are.
    freedom = float(variance**2 / (parts**2 / (sizes - 1)).sum()) if variance else float(sizes.min() - 1)
    error = float(variance) ** 0.5
    half = float(stdtrit(freedom, 1 - SIDE)) * error
    return Interval(mean, mean - half, mean + half, int(sizes.min()), error, freedom)


def half_width(sd: float, n: int) -> float:
    """Half the length of Student's 95 % interval of a mean of n values that deviate by `sd`; NaN for n < 2."""
    if n < 2:
        return np.nan
    found = _interval(0.0, np.array([sd**2 / n]), np.array([n]))
    return found.high


def two_samples(a: Values, b: Values, boundary: float = 0.0) -> Evidence:
    """Test mean(a) − mean(b) against a boundary: by Welch's test, and exactly where that could not be trusted.

    That is for counts and ties, for sides of unequal number, and for numbers that are plainly not normal: there
    the exact permutation test must agree. ±∞ stands for a run that diverged: then ranks alone decide.
    """
    x, y = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    ended = [side[np.isfinite(side)] for side in (x, y)]
    interval = contrast((1, -1), ended)
    if min(len(x), len(y)) < LEAST_SEEDS:
        return Evidence(interval, np.nan, np.nan, f"{LEAST_SEEDS} seeds a side are the least that decide")
    if len(ended[0]) < len(x) or len(ended[1]) < len(y):
        from scipy.stats import rankdata

        ranks = rankdata(np.concatenate([x - boundary, y]))
        below, above = _permuted(ranks[: len(x)], ranks[len(x) :])
        survivors = replace(interval, low=np.nan, high=np.nan)
        return Evidence(survivors, below, above, "exact rank test, diverged runs being the worst")
    below, above = _student(interval, boundary)
    reason = _distrusted(x, y)
    if reason is None:
        return Evidence(interval, below, above, "Welch's test")
    exact = _permuted(x - boundary, y)
    return Evidence(interval, max(below, exact[0]), max(above, exact[1]), f"exact permutation test: {reason}")


def one_sample(values: Values, boundary: float, bounds: Bounds | None = None) -> Evidence:
    """Test one number a run against a boundary, whatever its distribution is.

    From six on the sign test, which is about the median; for fewer, where the quantity has `bounds`, a bet on its
    mean; else nothing: Student's interval would be wrong in 11 % of cases for an exponential quantity.
    ±∞ stands for a run that diverged; a value at the boundary speaks for neither side.
    """
    x = np.asarray(values, dtype=float)
    ended = x[np.isfinite(x)]
    interval = contrast((1,), (ended,))
    if len(x) < LEAST_SEEDS:
        return Evidence(interval, np.nan, np.nan, f"{LEAST_SEEDS} seeds are the least that decide")
    if len(x) >= LEAST_FOR_SIGNS:
        from scipy.stats import binom

        below, above = (
            float(binom.sf(count - 1, len(x), 0.5)) for count in (sum(x < boundary), sum(x > boundary))
        )
        return Evidence(_median(x), below, above, "sign test", "median")
    if bounds is not None and len(ended) == len(x):
        below, above = _bet(x, boundary, bounds)
        return Evidence(interval, below, above, f"bet within {bounds[0]:.3g} and {bounds[1]:.3g}")
    return Evidence(
        interval,
        np.nan,
        np.nan,
        f"{LEAST_FOR_SIGNS} seeds are the least that decide, one number a run being compared",
    )


def judge(expect: Expectation, boundary: float, test: Callable[[float], Evidence]) -> Judged:
    """Decide a claim: the verdict falls where a test at 2.5 % a side says so, and nowhere else.

    `test(boundary)` tests the numbers. `alike` expects them within ±boundary (two one-sided tests).
    """
    if expect == "alike":
        upper, lower = test(abs(boundary)), test(-abs(boundary))
        inside, outside = max(upper.below, lower.above), min(upper.above, lower.below)
        tested = upper
    else:
        tested = test(boundary)
        inside, outside = (tested.below, tested.above) if expect == "lower" else (tested.above, tested.below)
    if np.isnan(inside) or np.isnan(outside):
        return Judged(tested, "undecided", np.nan)
    verdict: Verdict = "holds" if inside <= SIDE else "does not hold" if outside <= SIDE else "undecided"
    return Judged(tested, verdict, float(min(1.0, 2 * min(inside, outside))))


def paired(a: Mapping[int, float], b: Mapping[int, float]) -> bool:
    """Whether two sides' numbers rise and fall together over their seeds, so that seeds are to be paired."""
    seeds = sorted(a.keys() & b.keys())
    x, y = (np.array([side[seed] for seed in seeds]) for side in (a, b))
    if len(seeds) < LEAST_FOR_PAIRS or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return False
    if not np.ptp(x) or not np.ptp(y):
        return False
    from scipy.stats import pearsonr

    return bool(pearsonr(x, y, alternative="greater").pvalue <= PAIRS_P)


def holm(p: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p of several claims (Holm 1979); NaN, an untested one, stays and counts for nothing."""
    given = np.asarray(p, dtype=float)
    order = [int(i) for i in np.argsort(given) if not np.isnan(given[i])]
    adjusted, largest = np.full(len(given), np.nan), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, float(given[index]) * (len(order) - rank)))
        adjusted[index] = largest
    return adjusted.tolist()


def seeds_for_two(a: Values, b: Values, boundary: float, expect: Expectation) -> int | None:
    """How many seeds a side would decide with a chance of 80 %, were means and spreads as these; None: over 100.

    By the non-central t of Welch's test; an exact test of counts needs four at least.
    """
    x, y = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    distance = _distances(float(x.mean() - y.mean()), boundary, expect)
    variances = float(x.var(ddof=1)), float(y.var(ddof=1))
    least = LEAST_SEEDS if _distrusted(x, y) is None else LEAST_SEEDS + 1
    return _first(least, lambda n: _chance(distance, lambda d: welch_power(d, variances, n)))


def seeds_for_one(values: Values, boundary: float, expect: Expectation) -> int | None:
    """The same for one number a run, by the sign test, were these numbers normal."""
    from scipy.stats import binom, norm

    x = np.asarray(values, dtype=float)
    spread = float(x.std(ddof=1))

    def power(distance: float, n: int) -> float:
        needed = next(k for k in range(n + 2) if binom.sf(k - 1, n, 0.5) <= SIDE)
        return float(binom.sf(needed - 1, n, norm.cdf(distance / spread)))

    distance = _distances(float(x.mean()), boundary, expect)
    return _first(LEAST_FOR_SIGNS, lambda n: _chance(distance, lambda d: power(d, n))) if spread else None


def welch_power(distance: float, variances: tuple[float, float], n: int) -> float:
    """The chance that Welch's interval of n seeds a side leaves out a boundary `distance` away (non-central t)."""
    from scipy.stats import nct, t

    parts = np.array(variances) / n
    if not parts.sum():
        return float(distance != 0)
    freedom = parts.sum() ** 2 / (parts**2 / (n - 1)).sum()
    shift, critical = abs(distance) / parts.sum() ** 0.5, t.ppf(1 - SIDE, freedom)
    return float(nct.sf(critical, freedom, shift))


def _distances(estimate: float, boundary: float, expect: Expectation) -> tuple[float, ...]:
    """How far an estimate is from the boundaries that have to be left out."""
    if expect != "alike":
        return (abs(estimate - boundary),)
    margin = abs(boundary)
    if abs(estimate) < margin:
        return (margin - estimate, margin + estimate)
    return (abs(estimate) - margin,)


def _chance(distances: tuple[float, ...], power: Callable[[float], float]) -> float:
    """The least chance that every boundary is left out."""
    return 1 - sum(1 - power(distance) for distance in distances)


def _first(least: int, chance: Callable[[int], float]) -> int | None:
    return next((n for n in range(least, MOST_SEEDS + 1) if chance(n) >= POWER), None)


def _student(interval: Interval, boundary: float) -> tuple[float, float]:
    """One-sided p of a mean below and above a boundary; without any spread that is 0, ½ or 1."""
    from scipy.special import stdtr

    if not interval.error:
        below = 0.5 + 0.5 * float(np.sign(interval.mean - boundary))
    else:
        below = float(stdtr(interval.freedom, (interval.mean - boundary) / interval.error))
    return below, 1 - below


def _distrusted(x: NDArray[np.float64], y: NDArray[np.float64]) -> str | None:
    """Why Welch's test of these numbers is not to be trusted alone; None if it is."""
    pooled = np.concatenate([x, y])
    if np.all(pooled == np.round(pooled)):
        return "counts"
    if any(len(np.unique(side)) < len(side) for side in (x, y)):
        return "equal numbers"
    if len(x) != len(y):
        return "unequal numbers of runs"
    from scipy.stats import shapiro

    return (
        "not normal" if shapiro(np.concatenate([x - x.mean(), y - y.mean()])).pvalue < NOT_NORMAL_P else None
    )


def _permuted(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """One-sided p of mean(x) below and above mean(y), over all ways to divide the numbers (or 20,000 of them)."""
    pooled = np.concatenate([x, y])
    means = pooled[_divisions(len(x), len(pooled))].mean(axis=1)
    close = 1e-12 * max(1.0, float(np.abs(pooled).max()))
    below, above = (means <= x.mean() + close).mean(), (means >= x.mean() - close).mean()
    return float(below), float(above)


@lru_cache(maxsize=8)
def _divisions(chosen: int, of: int) -> NDArray[np.int64]:
    """Row by row, which of the numbers form the first side; the first row is how they came."""
    if comb(of, chosen) <= MOST_PERMUTATIONS:
        return np.array(list(combinations(range(of), chosen)))
    rng = np.random.default_rng(0)
    drawn = [rng.permutation(of)[:chosen] for _ in range(MOST_PERMUTATIONS - 1)]
    return np.array([np.arange(chosen), *drawn])


def _median(x: NDArray[np.float64]) -> Interval:
    """The median with its exact interval between two of the ordered values (at least 95 %, any distribution)."""
    from scipy.stats import binom

    ordered, rank = np.sort(x), int(binom.ppf(SIDE, len(x), 0.5))
    low, high = (float(end) if np.isfinite(end) else np.nan for end in (ordered[rank - 1], ordered[-rank]))
    return Interval(float(np.median(x)), low, high, len(x))


def _bet(x: NDArray[np.float64], boundary: float, bounds: Bounds) -> tuple[float, float]:
    """One-sided p of a bounded mean below and above a boundary, valid for every distribution and number.

    Were the mean m at most, ∏ (1 + λ (xᵢ − m)) would be 1 at most on average, for each λ from 0 to 1/m and for
    their average; by Markov's inequality p is its inverse (Waudby-Smith & Ramdas 2024).
    """
    scaled = (x - bounds[0]) / (bounds[1] - bounds[0])
    middle = (boundary - bounds[0]) / (bounds[1] - bounds[0])

    def higher(values: NDArray[np.float64], mean: float) -> float:
        if not 0 < mean < 1:
            # No mean lies beyond the bounds, and every mean lies within them.
            return 0.0 if mean < 0 else 1.0
        stakes = (np.arange(1000) + 0.5) / 1000 / mean
        wealth = np.prod(1 + stakes[:, None] * (values - mean), axis=1).mean()
        return float(min(1.0, 1 / wealth))

    return higher(1 - scaled, 1 - middle), higher(scaled, middle)
