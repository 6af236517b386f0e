"""The two sides of a claim: one number a run, and the test that these numbers allow."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gantry.plan.output_types.claims import Claim, ClaimTest, Side
from gantry.report.costs import COSTS
from gantry.report.load import LoadedGroup, Run
from gantry.report.quantities import bounds_of, curve_of, reduced, worst_of
from gantry.report.specs import ReportSpec
from gantry.report.statistics import (
    LEAST_FOR_SIGNS,
    LEAST_SEEDS,
    SIDE,
    Evidence,
    contrast,
    one_sample,
    paired,
    seeds_for_one,
    seeds_for_two,
    two_samples,
)

# Where all of a recipe's runs diverge, as many as a verdict needs must have been trained.
LEAST_DIVERGED = LEAST_SEEDS
# Metrics whose numbers are counts: an exact test must agree, and decides from one seed more on.
COUNTS = ("modes_covered", "modes_reached")


@dataclass(frozen=True)
class Numbers:
    """One side: its number by seed, ±∞ for a diverged run, and what is to be said of those that are missing."""

    by_seed: dict[int, float]
    group: LoadedGroup
    diverged: int = 0
    unmeasured: int = 0

    @property
    def values(self) -> list[float]:
        return list(self.by_seed.values())

    @property
    def ended(self) -> list[float]:
        return [value for value in self.values if np.isfinite(value)]

    @property
    def notes(self) -> list[str]:
        """What is missing, in words."""
        label, runs = self.group.group.recipe_title, len(self.group.runs)
        said = []
        if self.diverged:
            said.append(
                f"{self.diverged} of {runs} runs of {label} diverged, which counts as the worst value"
            )
        if self.unmeasured == runs:
            said.append(f"not measured in the runs of {label}")
        elif self.unmeasured:
            said.append(f"not measured in {self.unmeasured} of {runs} runs of {label}")
        return said


def numbers(spec: ReportSpec, test: ClaimTest, side: Side, group: LoadedGroup) -> Numbers:
    """Measure every run of one side; a ratio's numbers are logarithms."""
    worst = None if test.metric in COSTS else worst_of(test.metric, test.reduction)
    by_seed: dict[int, float] = {}
    diverged = unmeasured = 0
    for run in group.runs:
        # What an iteration cost is known of a run that diverged, too.
        if run.diverged and test.metric not in COSTS:
            diverged += 1
            by_seed[run.seed] = np.nan if worst is None else worst
            continue
        value = _measure(spec, test, side, group, run)
        if test.statistic == "ratio":
            value = float(np.log(value)) if value > 0 else np.nan
        if np.isnan(value):
            unmeasured += 1
        else:
            by_seed[run.seed] = value
    return Numbers(by_seed, group, diverged, unmeasured)


def _measure(spec: ReportSpec, test: ClaimTest, side: Side, group: LoadedGroup, run: Run) -> float:
    if test.metric in COSTS:
        return COSTS[test.metric].measure(run)
    curve = curve_of(run, test.metric, side.source or group.headline)
    if side.iteration is not None:
        at = spec.checkpoint_for(side.iteration, curve.index)
        return reduced(curve[curve.index == at], test.reduction, test.level)
    curve = curve[(curve.index >= side.since * run.iterations) & (curve.index <= side.share * run.iterations)]
    curve = curve.iloc[test.skip :]
    return reduced(curve.iloc[-test.checkpoints :] if test.checkpoints else curve, test.reduction, test.level)


@dataclass(frozen=True)
class Comparison:
    """What there is to test: the test of a boundary, and how many seeds would decide one."""

    test: Callable[[float], Evidence]
    needed: Callable[[float], int | None]
    design: str


def comparison(test: ClaimTest, sides: list[Numbers]) -> Comparison:
    """Choose the test: of one number a run, of pairs of the same run or of correlated seeds, or of two samples."""
    if any(np.isnan(value) for side in sides for value in side.values):
        nothing = contrast((1,), ([],))
        told = Evidence(nothing, np.nan, np.nan, "a diverged run has no value here, and is not left out")
        return Comparison(lambda boundary: told, lambda boundary: None, "untested")
    if len(sides) == 1:
        return _of_one(test, sides[0].values, bounds_of_value(test), "seeds")
    first, second = sides
    if test.metric in COSTS and COSTS[test.metric].fixed:
        return _of_recipes(first.values, second.values)
    same_runs = first.group is second.group
    if same_runs or paired(first.by_seed, second.by_seed):
        seeds = sorted(first.by_seed.keys() & second.by_seed.keys())
        # Both ends of a run that diverged are the worst: that speaks against what is claimed.
        against = -np.inf if test.expect == "higher" else np.inf
        pairs = [(first.by_seed[seed], second.by_seed[seed]) for seed in seeds]
        gaps = [a - b if np.isfinite(a) or np.isfinite(b) else against for a, b in pairs]
        design = "pairs of the same run" if same_runs else "pairs, for the seeds correlate"
        return _of_one(test, gaps, None, design)
    x, y = first.values, second.values

    def needed(boundary: float) -> int | None:
        if len(first.ended) < len(x) or len(second.ended) < len(y) or min(len(x), len(y)) < 2:
            return None
        return seeds_for_two(x, y, boundary, test.expect)

    return Comparison(lambda boundary: two_samples(x, y, boundary), needed, "seeds a side")


def _of_one(
    test: ClaimTest, values: list[float], bounds: tuple[float, float] | None, design: str
) -> Comparison:
    def needed(boundary: float) -> int | None:
        known = len(values) > 1 and bool(np.isfinite(values).all())
        return seeds_for_one(values, boundary, test.expect) if known else None

    return Comparison(lambda boundary: one_sample(values, boundary, bounds), needed, design)


def _of_recipes(x: list[float], y: list[float]) -> Comparison:
    """Compare what the recipe decides: every number of one side against every number of the other."""
    interval = contrast((1, -1), (x, y))
    told = replace(interval, low=np.nan, high=np.nan)

    def test(boundary: float) -> Evidence:
        if not x or not y:
            return Evidence(told, np.nan, np.nan, "not measured")
        below, above = max(x) - boundary < min(y), min(x) - boundary > max(y)
        return Evidence(
            told, float(not below), float(not above), "a property of the recipe, the same in every run"
        )

    return Comparison(test, lambda boundary: None, "recipes")


def least_seeds(claim: Claim) -> int:
    """Return how many seeds the clearest of results takes to say that a claim holds; fewer never do."""
    test, sides = claim.test, claim.sides
    if test.metric in COSTS and COSTS[test.metric].fixed:
        return 1
    if len(sides) > 1 and any(
        (side.recipe, side.dataset) != (sides[0].recipe, sides[0].dataset) for side in sides
    ):
        return LEAST_SEEDS + (test.metric in COUNTS)
    bounds = bounds_of_value(test) if len(sides) == 1 else None
    if bounds is None or test.expect == "alike":
        return LEAST_FOR_SIGNS
    clearest = bounds[test.expect == "higher"]
    for n in range(LEAST_SEEDS, LEAST_FOR_SIGNS):
        found = one_sample([clearest] * n, test.boundary, bounds)
        if (found.below if test.expect == "lower" else found.above) <= SIDE:
            return n
    return LEAST_FOR_SIGNS


def bounds_of_value(test: ClaimTest) -> tuple[float, float] | None:
    """The bounds of what is claimed of one side."""
    return None if test.metric in COSTS else bounds_of(test.metric, test.reduction)
