"""The rule behind a verdict: intervals and tests against SciPy, and how often it is wrong where nothing differs."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from gantry.report.statistics import (
    SIDE,
    Evidence,
    contrast,
    half_width,
    holm,
    judge,
    one_sample,
    paired,
    seeds_for_one,
    seeds_for_two,
    two_samples,
    welch_power,
)

# Distributions of a score over seeds: as one hopes, skewed, with wild values, bounded, and counts of nine modes.
NULLS = {
    "normal": lambda rng, n: rng.normal(size=n),
    "exponential": lambda rng, n: rng.exponential(size=n),
    "Student's with 2 degrees of freedom": lambda rng, n: rng.standard_t(2, size=n),
    "uniform": lambda rng, n: rng.uniform(size=n),
    "counts": lambda rng, n: rng.binomial(9, 0.85, size=n).astype(float),
    "two humps": lambda rng, n: rng.choice([0.0, 5.0], p=[0.8, 0.2], size=n) + 0.1 * rng.normal(size=n),
}
MEDIANS = {
    "normal": 0.0, "exponential": np.log(2), "Student's with 2 degrees of freedom": 0.0, "uniform": 0.5, "counts": 8.0,
}  # fmt: skip
TRIALS = 800
# The rates themselves are 5 % at most; of so few trials they are counted three standard errors higher at most.
MOST = 0.05 + 3 * (0.05 * 0.95 / TRIALS) ** 0.5


def wrong(draws, decide) -> float:
    """The share of draws in which something is decided."""
    return float(np.mean([decide(draw) != "undecided" for draw in draws]))


def by_the_rule(a, b) -> str:
    """The verdict on a difference of two recipes, with pairs where the seeds seem to correlate."""
    if paired(dict(enumerate(a)), dict(enumerate(b))):
        return judge("lower", 0.0, lambda boundary: one_sample(a - b, boundary)).verdict
    return judge("lower", 0.0, lambda boundary: two_samples(a, b, boundary)).verdict


@pytest.mark.parametrize("sizes", [(3, 3), (6, 6), (3, 5)], ids=str)
@pytest.mark.parametrize("name", NULLS)
def test_two_equal_recipes_are_told_apart_in_five_per_cent_at_most(name, sizes):
    rng = np.random.default_rng(20)
    draws = [[NULLS[name](rng, size) for size in sizes] for _ in range(TRIALS)]
    assert wrong(draws, lambda sides: by_the_rule(*sides)) <= MOST


@pytest.mark.parametrize("n", [3, 5, 6, 9])
@pytest.mark.parametrize("name", MEDIANS)
def test_one_number_a_run_is_told_from_its_boundary_in_five_per_cent_at_most(name, n):
    rng = np.random.default_rng(21)
    draws = [NULLS[name](rng, n) for _ in range(TRIALS)]
    assert wrong(draws, lambda x: judge("lower", MEDIANS[name], lambda c: one_sample(x, c)).verdict) <= MOST


@pytest.mark.parametrize("n", [3, 5])
@pytest.mark.parametrize(
    ("draw", "mean"),
    [
        (lambda rng, n: rng.uniform(size=n), 0.5),
        (lambda rng, n: rng.beta(0.2, 0.8, size=n), 0.2),
        (lambda rng, n: (rng.uniform(size=n) < 0.1) * 1.0, 0.1),
        (lambda rng, n: (rng.uniform(size=n) < 0.9) * 1.0, 0.9),
    ],
    ids=["uniform", "skewed", "rare", "frequent"],
)
def test_a_bet_within_bounds_is_lost_in_five_per_cent_at_most(draw, mean, n):
    rng = np.random.default_rng(22)
    draws = [draw(rng, n) for _ in range(TRIALS)]
    assert wrong(draws, lambda x: judge("lower", mean, lambda c: one_sample(x, c, (0, 1))).verdict) <= MOST


def test_the_interval_is_students_for_one_sample_and_welchs_for_two():
    a, b = [1.0, 2.5, 0.5, 3.0], [2.0, 2.2, 7.0]
    one = contrast((1,), (a,))
    assert (one.low, one.high) == pytest.approx(stats.t.interval(0.95, 3, loc=np.mean(a), scale=stats.sem(a)))
    two, reference = contrast((1, -1), (a, b)), stats.ttest_ind(a, b, equal_var=False)
    interval = reference.confidence_interval(0.95)
    assert (two.low, two.high, two.freedom) == pytest.approx((interval.low, interval.high, reference.df))
    assert half_width(float(np.std(a, ddof=1)), 4) == pytest.approx(one.high - one.mean)
    assert np.isnan(half_width(1.0, 1)) and contrast((1,), ([],)).n == 0


def test_p_is_welchs():
    a, b = [1.0, 2.5, 0.5, 3.0], [2.0, 2.2, 7.0, 4.1]
    found = two_samples(a, b, boundary=-1.0)
    assert found.test == "Welch's test"
    for p, side in ((found.below, "less"), (found.above, "greater")):
        assert p == pytest.approx(
            stats.ttest_ind(np.add(a, 1.0), b, equal_var=False, alternative=side).pvalue
        )


def test_the_permutation_test_counts_every_division():
    a, b = [7.0, 9.0, 8.0, 9.0], [6.0, 7.0, 5.0, 7.0, 6.0]
    found, pooled = two_samples(a, b), np.array(a + b)
    sums = [pooled[list(chosen)].sum() for chosen in combinations(range(9), 4)]
    exact = np.mean(np.array(sums) >= sum(a) - 1e-9)
    assert found.test == "exact permutation test: counts"
    assert found.above == pytest.approx(
        max(exact, stats.ttest_ind(a, b, equal_var=False, alternative="greater").pvalue)
    )


@pytest.mark.parametrize(
    ("a", "b", "why"),
    [
        ([0.1, 0.2, 0.3], [1.1, 1.2, 1.31, 1.4], "unequal numbers of runs"),
        ([0.5, 0.5, 0.3], [1.1, 1.2, 1.31], "equal numbers"),
        ([9, 9, 9], [8, 8, 8], "counts"),
        ([0.11, 0.12, 0.13, 0.14, 0.15, 9.1], [0.21, 0.22, 0.23, 0.24, 0.25, 0.26], "not normal"),
    ],
)
def test_what_is_plainly_not_normal_is_tested_exactly(a, b, why):
    assert two_samples(a, b).test == f"exact permutation test: {why}"


def test_two_seeds_decide_nothing_and_no_spread_is_not_believed():
    assert judge("lower", 0.0, lambda c: two_samples([1.0, 1.1], [90.0, 90.1], c)).verdict == "undecided"
    assert judge("lower", 5.0, lambda c: one_sample([1.0, 1.1], c, (0, 100))).verdict == "undecided"
    # Three runs a side in any one of 20 orders: the clearest of them comes in 10 % of cases.
    assert judge("lower", 0.0, lambda c: two_samples([8.0] * 3, [9.0] * 3, c)).verdict == "undecided"
    assert judge("lower", 0.0, lambda c: two_samples([8.0] * 4, [9.0] * 4, c)).verdict == "holds"
    assert judge("higher", 0.0, lambda c: two_samples([8.0] * 4, [9.0] * 4, c)).verdict == "does not hold"


def test_a_diverged_run_counts_as_the_worst_and_the_survivors_do_not_decide():
    survivors = [1.0, 1.1, 1.2], [2.0, 2.1, 2.2]
    assert judge("lower", 0.0, lambda c: two_samples(*survivors, c)).verdict == "holds"
    lost = [*survivors[0], np.inf, np.inf], [*survivors[1], 2.3, 2.4]
    assert judge("lower", 0.0, lambda c: two_samples(*lost, c)).verdict == "undecided"
    collapsed = [np.inf] * 4, [1.0, 1.1, 1.2, 1.3]
    judged = judge("higher", 0.0, lambda c: two_samples(*collapsed, c))
    assert judged.verdict == "holds" and judged.tested.below == pytest.approx(1.0)
    assert judged.tested.above == pytest.approx(1 / 70)
    assert judge("lower", 2.0, lambda c: one_sample([1.0] * 6 + [np.inf], c)).verdict == "undecided"
    assert judge("lower", 2.0, lambda c: one_sample([1.0] * 8 + [np.inf], c)).verdict == "holds"


def test_the_sign_test_is_binomial_and_its_interval_is_the_medians():
    values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    found = one_sample(values, 10.0)
    assert (found.below, found.centre) == (pytest.approx(1 / 2**6), "median")
    assert (found.interval.mean, found.interval.low, found.interval.high) == (3.5, 1.0, 6.0)
    many = np.arange(20.0)
    reference = stats.quantile_test(many, p=0.5).confidence_interval(0.95)
    found = one_sample(many, 0.0)
    assert (found.interval.low, found.interval.high) == (reference.low, reference.high)
    # What lies on the boundary speaks for neither side.
    assert one_sample([1.0] * 6 + [10.0], 10.0).below == pytest.approx(stats.binom.sf(5, 7, 0.5))


def test_a_bet_is_the_average_of_its_stakes():
    values, mean = np.array([0.9, 0.95, 0.8]), 0.1
    stakes = np.linspace(0, 1 / mean, 20001)
    wealth = np.prod(1 + stakes[:, None] * (values - mean), axis=1).mean()
    assert one_sample(values, mean, (0, 1)).above == pytest.approx(1 / wealth, rel=1e-3)
    assert one_sample(5 + 2 * values, 5 + 2 * mean, (5, 7)).above == pytest.approx(1 / wealth, rel=1e-3)
    assert judge("higher", mean, lambda c: one_sample(values, c, (0, 1))).verdict == "holds"
    assert judge("higher", mean, lambda c: one_sample(values, c)).verdict == "undecided"


@pytest.mark.parametrize(
    ("below", "above", "expect", "verdict"),
    [
        (0.01, 0.99, "lower", "holds"),
        (0.99, 0.01, "lower", "does not hold"),
        (0.03, 0.97, "lower", "undecided"),
        (0.99, 0.01, "higher", "holds"),
        (0.01, 0.99, "higher", "does not hold"),
        (np.nan, np.nan, "higher", "undecided"),
    ],
)
def test_a_verdict_needs_two_and_a_half_per_cent_on_its_side(below, above, expect, verdict):
    tested = Evidence(contrast((1,), ([1.0, 2.0],)), below, above, "")
    judged = judge(expect, 0.0, lambda boundary: tested)
    assert judged.verdict == verdict
    assert judged.p == pytest.approx(2 * min(below, above), nan_ok=True)


def test_alike_is_tested_on_both_sides():
    a, b = [1.00, 1.01, 1.02, 0.99], [1.005, 1.0, 1.015, 0.98]

    def alike(margin, shift=0.0):
        return judge("alike", margin, lambda c: two_samples(np.add(a, shift), b, c)).verdict

    assert alike(0.1) == "holds" and alike(0.01) == "undecided"
    assert alike(0.1, shift=1.0) == alike(0.1, shift=-1.0) == "does not hold"


def test_seeds_are_paired_only_where_a_correlation_is_shown():
    rng = np.random.default_rng(0)
    seeds = rng.normal(size=8)
    first, second = (dict(enumerate(seeds + 0.01 * rng.normal(size=8))) for _ in range(2))
    assert paired(first, second)
    assert not paired(first, dict(enumerate(rng.normal(size=8))))
    assert not paired(first, {seed: -value for seed, value in second.items()})
    few = [{seed: side[seed] for seed in range(5)} for side in (first, second)]
    assert not paired(*few), "five pairs show nothing"
    assert not paired(first, dict.fromkeys(range(8), 1.0)) and not paired(first, second | {0: np.inf})


def test_holm_against_its_definition():
    p = [0.01, 0.04, np.nan, 0.03, 0.005]
    assert holm(p) == pytest.approx([0.03, 0.06, np.nan, 0.06, 0.02], nan_ok=True)
    assert holm([0.9, 0.8]) == [1.0, 1.0] and holm([]) == []


@pytest.mark.parametrize("ratio", [1.0, 2.5])
def test_the_promised_number_of_seeds_decides_in_four_of_five_cases(ratio):
    """Simulated: the power at the number that is promised is 80 %, and below it is less."""
    a, b = [0.0, 1.0, -1.0], [1.4, 1.4 + ratio, 1.4 - ratio]
    n = seeds_for_two(a, b, 0.0, "lower")
    assert n is not None
    rng = np.random.default_rng(3)

    def power(count):
        x, y = rng.normal(0, 1, (4000, count)), rng.normal(1.4, ratio, (4000, count))
        return float(
            np.mean(stats.ttest_ind(x, y, axis=1, equal_var=False, alternative="less").pvalue <= SIDE)
        )

    assert power(n) == pytest.approx(0.8, abs=0.035) and power(n - 1) < 0.8
    assert welch_power(1.4, (1.0, ratio**2), n) >= 0.8 > welch_power(1.4, (1.0, ratio**2), n - 1)


def test_seeds_that_would_decide_one_number_a_run():
    values = [1.0, 1.2, 0.8, 1.1, 0.9]
    n = seeds_for_one(values, 1.15, "lower")
    assert n is not None
    share = stats.norm.cdf((1.15 - 1.0) / np.std(values, ddof=1))
    needed = next(k for k in range(n + 1) if stats.binom.sf(k - 1, n, 0.5) <= SIDE)
    assert stats.binom.sf(needed - 1, n, share) >= 0.8
    assert seeds_for_one(values, 1.0000001, "lower") is None
    assert seeds_for_one(values, 100.0, "lower") == 6, "six is the least with which the sign test decides"
    assert seeds_for_two([8.0, 8.0, 9.0], [80.0, 81.0, 82.0], 0.0, "lower") == 4, "counts need four a side"
