"""What one change does to many methods: with it, without it, the difference over seeds, and a verdict."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import cast

import numpy as np

from gantry.errors import UserError
from gantry.metrics import names
from gantry.plan.layering import variant_name
from gantry.plan.output_types.claims import ClaimTest, Side
from gantry.plan.output_types.tables import EffectOptions
from gantry.report.cells import Cell, network_of, require_metrics, series
from gantry.report.learned import NOT_TESTED, unlearned
from gantry.report.load import Loaded, LoadedGroup, Run
from gantry.report.sides import LEAST_DIVERGED, comparison, numbers
from gantry.report.specs import CHANGED
from gantry.report.statistics import Expectation, Interval, contrast, judge

# The parts of the table, in their order, by the verdict on the change being for the better (docs/claims.md).
PARTS = {
    "holds": "it helps: tested at 5 %, the difference is on the better side of 0",
    "does not hold": "it hurts: tested at 5 %, the difference is on the worse side of 0",
    "undecided": "undecided: tested at 5 %, the difference may be 0",
    NOT_TESTED: "not tested at this scale: neither with the change nor without has a run learned anything",
}
INTERVAL = "95 % interval of the difference"
TOGETHER = "the mean over these methods"


@dataclass(frozen=True)
class Bound(Cell):
    """A difference of means, or an end of its interval: one number of all runs, with no deviation of its own."""

    bound: float = np.nan

    @classmethod
    def of(cls, cell: Cell, bound: float, metric: str = "") -> "Bound":
        """The difference, or an end of its interval, in the place of a cell of the runs with the change."""
        given = {field.name: getattr(cell, field.name) for field in fields(cell)}
        return cls(**given | {"metric": metric}, bound=bound)

    @cached_property
    def ours(self) -> tuple[float, float, int]:
        """The number where others have a mean."""
        return self.bound, np.nan, super().ours[2]


@dataclass(frozen=True)
class Pair:
    """A method without the change and with it."""

    without: LoadedGroup
    changed: LoadedGroup

    @property
    def is_changed(self) -> bool:
        """Whether the recipe of either is not the one that the experiment describes."""
        return bool(self.without.group.recipe_changes or self.changed.group.recipe_changes)

    @property
    def title(self) -> str:
        """The method's label, marked where either recipe is not the one that the experiment describes."""
        label = self.changed.group.recipe_label
        return f"{label} {CHANGED}" if self.is_changed else label

    def difference(self, metric: str) -> Interval:
        """The mean with the change less that without, of the runs that reached their end, with Welch's interval."""
        return contrast(
            (1, -1), [list(_ends(group, metric).values()) for group in (self.changed, self.without)]
        )


def cells(loaded: Loaded, options: EffectOptions) -> Iterator[Cell]:
    """A row a method, in the part that its verdict on the spec's first metric names; then their mean."""
    spec = loaded.spec
    require_metrics(spec, loaded.groups)
    metric = spec.metrics[0]
    direction = names.metric(metric).direction
    if direction not in ("lower", "higher"):
        raise UserError(
            f"{spec.paper}/{spec.name}: metrics: {metric} is best between its extremes, and has no better side"
        )
    pairs = list(_pairs(loaded, options))
    if not pairs:
        raise UserError(f"{spec.paper}/{spec.name}: options: no method is there both without and with it")
    found = [_decided(loaded, pair, metric, cast(Expectation, direction)) for pair in pairs]
    for part, title in PARTS.items():
        for pair, decision in zip(pairs, found, strict=True):
            if decision == part:
                yield from _row(loaded, pair, title, options)
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


def _decided(loaded: Loaded, pair: Pair, metric: str, better: Expectation) -> str:
    """Whether the claim holds that the change is for the better.

    Where every run diverges on one side only, that side is the worse one.
    """
    groups = (pair.changed, pair.without)
    if unlearned(loaded.spec, groups) is not None:
        return NOT_TESTED
    if bool(groups[0].complete) != bool(groups[1].complete):
        if min(len(group.runs) for group in groups) < LEAST_DIVERGED:
            return "undecided"
        return "holds" if pair.changed.complete else "does not hold"
    of, against = (Side(recipe=group.group.recipe) for group in groups)
    test = ClaimTest(metric=metric, of=of, against=against, expect=better)
    sides = [numbers(loaded.spec, test, of, group) for group in groups]
    return judge(better, 0.0, comparison(test, sides).test).verdict


def _row(loaded: Loaded, pair: Pair, part: str, options: EffectOptions) -> Iterator[Cell]:
    for index, metric in enumerate(loaded.spec.metrics):
        cell = _maker(loaded, pair, part, metric)
        title = names.label(metric, network_of(loaded.groups, metric))
        without, changed = (list(_ends(group, metric).values()) for group in (pair.without, pair.changed))
        yield cell((title, options.titles[0]), without, pair.without)
        yield cell((title, options.titles[1]), changed, pair.changed)
        result = pair.difference(metric)
        yield Bound.of(cell((title, "difference"), changed, pair.changed), result.mean, metric)
        if index == 0:
            for end, bound in (("from", result.low), ("to", result.high)):
                yield Bound.of(cell((INTERVAL, end), changed, pair.changed), bound)


def _maker(
    loaded: Loaded, pair: Pair, part: str, metric: str
) -> Callable[[tuple[str, ...], list[float], LoadedGroup], Cell]:
    """What makes the cells of one method and metric: (heads, values, whose runs they are)."""

    def make(heads: tuple[str, ...], values: list[float], runs_of: LoadedGroup) -> Cell:
        return Cell(
            part=part,
            dataset=pair.changed.group.dataset_title,
            method=pair.title,
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
    """The mean of the differences over the methods whose runs all reached their end."""
    whole = [pair for pair in pairs if not (pair.without.lost or pair.changed.lost)]
    weights: dict[str, float] = {}
    samples: dict[str, list[float]] = {}
    # A method may be held against several changes: each group counts once, with the sum of its weights.
    for pair in whole:
        for group, sign in ((pair.changed, 1), (pair.without, -1)):
            key = group.group.key
            weights[key] = weights.get(key, 0.0) + sign / len(whole)
            samples[key] = list(_ends(group, metric).values())
    result = contrast(list(weights.values()), list(samples.values()))
    if not result.n:
        return
    title = names.label(metric, network_of(loaded.groups, metric))
    none = replace(pairs[0].changed, runs=())
    make = _maker(loaded, replace(pairs[0], changed=none), TOGETHER, metric)

    several = sum(pair.is_changed for pair in whole)
    methods = f"{len(whole)} methods" + (f", {several} of them changed" if several else "")

    def row(heads: tuple[str, ...], bound: float, of: str = "") -> Cell:
        cell = replace(make(heads, [bound] * result.n, none), groups=(), source="")
        return Bound.of(replace(cell, method=methods), bound, of)

    yield row((title, "difference"), result.mean, metric)
    for end, bound in (("from", result.low), ("to", result.high)):
        yield row((INTERVAL, end), bound)
