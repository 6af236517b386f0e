"""What one change does to many methods: with it, without it, the difference over seeds, and a verdict."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import cast

import numpy as np

from gantry.errors import UserError
from gantry.metrics import names
from gantry.plan.layering import variant_name
from gantry.plan.output_types.tables import EffectOptions
from gantry.report.cells import Cell, network_of, require_metrics, series
from gantry.report.load import Loaded, LoadedGroup, Run
from gantry.report.statistics import Expectation, Interval, interval, verdict

# The parts of the table, in their order, by what `verdict` says of the change being for the better.
PARTS = {
    "holds": "it helps: the whole 95 % interval of the difference is on the better side of 0",
    "does not hold": "it hurts: the whole 95 % interval is on the worse side of 0",
    "undecided": "undecided: the 95 % interval holds 0",
}
INTERVAL = "95 % interval of the difference"
TOGETHER = "the mean over these methods"


@dataclass(frozen=True)
class Bound(Cell):
    """An end of the interval of the mean of `values`."""

    bound: float = np.nan

    @classmethod
    def of(cls, cell: Cell, bound: float) -> "Bound":
        """The bound that belongs to a cell of differences."""
        return cls(
            **{each.name: getattr(cell, each.name) for each in fields(cell)} | {"metric": ""}, bound=bound
        )

    @cached_property
    def ours(self) -> tuple[float, float, int]:
        """The bound where others have a mean."""
        return self.bound, np.nan, super().ours[2]


@dataclass(frozen=True)
class Pair:
    """A method without the change and with it."""

    without: LoadedGroup
    changed: LoadedGroup

    def values(self, metric: str) -> dict[int, tuple[float, float]]:
        """(without, with) at the end of training, by seed, where both runs reached it."""
        before, after = (_ends(group, metric) for group in (self.without, self.changed))
        return {seed: (before[seed], after[seed]) for seed in sorted(before.keys() & after.keys())}


def cells(loaded: Loaded, options: EffectOptions) -> Iterator[Cell]:
    """A row a method, in the part that its verdict on the spec's first metric names; then their mean."""
    spec = loaded.spec
    require_metrics(spec, loaded.groups)
    metric = spec.metrics[0]
    direction = names.metric(metric).direction
    if direction == "half":
        raise UserError(f"{spec.paper}/{spec.name}: metrics: {metric} is best at 0.5, and has no better side")
    pairs = list(_pairs(loaded, options))
    if not pairs:
        raise UserError(f"{spec.paper}/{spec.name}: options: no method is there both without and with it")
    found = [_decided(pair, metric, cast(Expectation, direction)) for pair in pairs]
    for part, title in PARTS.items():
        for pair, (result, decision) in zip(pairs, found, strict=True):
            if decision == part:
                yield from _row(loaded, pair, title, result, options)
    yield from _together(loaded, pairs, metric)


def _pairs(loaded: Loaded, options: EffectOptions) -> Iterator[Pair]:
    by_recipe = {group.group.recipe: group for group in loaded.groups}
    for recipe, group in by_recipe.items():
        without = by_recipe.get(variant_name(recipe, options.without) if options.without else recipe)
        for variant in options.variants:
            changed = by_recipe.get(variant_name(recipe, variant))
            if without is not None and changed is not None:
                label = group.group.recipe_label + options.marks.get(variant, "")
                named = replace(changed, group=changed.group.model_copy(update={"recipe_label": label}))
                yield Pair(without, named)


def _ends(group: LoadedGroup, metric: str) -> dict[int, float]:
    """The last value of every run that reached its end, by seed."""
    found = {run.seed: _end(run, metric, group.headline) for run in group.complete}
    return {seed: value for seed, value in found.items() if not np.isnan(value)}


def _end(run: Run, metric: str, source: str) -> float:
    curve = series(run, metric, source)
    return float(curve.iloc[-1]) if len(curve) else np.nan


def _decided(pair: Pair, metric: str, better: Expectation) -> tuple[Interval, str]:
    """The interval of the difference, and whether it holds that the change is for the better.

    Where every run diverges on one side only, that side is the worse one.
    """
    result = interval([b - a for a, b in pair.values(metric).values()])
    if bool(pair.without.complete) != bool(pair.changed.complete):
        return result, "holds" if pair.changed.complete else "does not hold"
    worse: Expectation = "higher" if better == "lower" else "lower"
    sides: dict[str, Expectation] = {"holds": better, "does not hold": worse}
    decided = (name for name, side in sides.items() if verdict(result, side, 0.0) == "holds")
    return result, next(decided, "undecided")


def _row(loaded: Loaded, pair: Pair, part: str, result: Interval, options: EffectOptions) -> Iterator[Cell]:
    for index, metric in enumerate(loaded.spec.metrics):
        cell = _maker(loaded, pair, part, metric)
        title = names.label(metric, network_of(loaded.groups, metric))
        yield cell((title, options.titles[0]), list(_ends(pair.without, metric).values()), pair.without)
        yield cell((title, options.titles[1]), list(_ends(pair.changed, metric).values()), pair.changed)
        differences = [b - a for a, b in pair.values(metric).values()]
        yield cell((title, "difference"), differences, pair.changed)
        if index == 0:
            for end, bound in (("from", result.low), ("to", result.high)):
                yield Bound.of(cell((INTERVAL, end), differences, pair.changed), bound)


def _maker(
    loaded: Loaded, pair: Pair, part: str, metric: str
) -> Callable[[tuple[str, ...], list[float], LoadedGroup], Cell]:
    """What makes the cells of one method and metric: (heads, values, whose runs they are)."""

    def make(heads: tuple[str, ...], values: list[float], runs_of: LoadedGroup) -> Cell:
        return Cell(
            part=part,
            dataset=pair.changed.group.dataset_title,
            method=pair.changed.group.recipe_title,
            source=pair.changed.headline,
            heads=heads,
            values=values,
            runs=len(runs_of.runs),
            diverged=runs_of.lost,
            groups=(runs_of.group.key,),
            metric=metric,
            feature_network=network_of(loaded.groups, metric),
            trained_on=pair.changed.group.trained_on,
            changed=pair.changed.group.is_changed or pair.without.group.is_changed,
        )

    return make


def _together(loaded: Loaded, pairs: list[Pair], metric: str) -> Iterator[Cell]:
    """The difference, seed by seed a mean over the methods whose runs all reached their end."""
    seeds = {run.seed for pair in pairs for run in pair.without.runs}
    whole = [values for pair in pairs if (values := pair.values(metric)).keys() == seeds]
    if not whole:
        return
    means = [
        float(np.mean([values[seed][1] - values[seed][0] for values in whole])) for seed in sorted(seeds)
    ]
    result = interval(means)
    title = names.label(metric, network_of(loaded.groups, metric))
    none = replace(pairs[0].changed, runs=())
    make = _maker(loaded, replace(pairs[0], changed=none), TOGETHER, metric)

    def row(cell: Cell) -> Cell:
        return replace(cell, method=f"{len(whole)} methods", groups=(), source="")

    yield row(make((title, "difference"), means, none))
    for end, bound in (("from", result.low), ("to", result.high)):
        yield Bound.of(row(make((INTERVAL, end), means, none)), bound)
