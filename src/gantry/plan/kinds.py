"""The kinds of tables, figures and claims, and the options of each: what an `outputs` entry may say.

The report's rooms draw and compute; here stands only what may be asked of them, so that a mistake is refused
before anything runs.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from gantry.plan.blocks.base import Positive, Strict

Verdict = Literal["holds", "does not hold", "undecided"]
Count = Annotated[int, Field(ge=0)]


class Options(Strict):
    """Options of one kind, and which recipes and metrics they speak of."""

    def recipes(self) -> Iterator[tuple[str, str]]:
        """(key, recipe) for every recipe that the options name; it must be among the output's runs."""
        yield from ()

    def metrics(self) -> Iterator[tuple[str, str]]:
        """(key, metric) for every metric that the options name."""
        yield from ()


# ── tables ────────────────────────────────────────────────────────────────────────────────────────────

# How a curve over the checkpoints becomes a number; a number of iterations is one on the paper's own scale.
Statistic = Literal["end", "best", "min", "max", "mean", "std"]
At = Statistic | Positive
Cost = Literal["gpu_memory", "seconds_per_iteration"]


class Elsewhere(Options):
    """A column of numbers that are not the paper's: its title, and where the published file has them."""

    title: str
    column: str
    source: str


class ScoresOptions(Options):
    """Rows: data sets and methods. Columns: each metric `at` certain checkpoints.

    at: `end`, `best`, a statistic over the checkpoints after the first `skip`, or a number of iterations as
    the paper counts them: a shorter scale takes its checkpoint nearest to the same share of the run, and the
    column says which. A mapping gives each metric its own.
    costs: columns of their own, over all data sets of a method.
    side_by_side: data sets become columns, so that a row is a method.
    split_labels: of a recipe's label "Hinge | two generators" the second half becomes a column.
    column: the published file's column; {metric} is fid, is or swd_x1e3, {at} is 70k, end, mean, … (min or
    max for the best), {dataset} and {method} what the runs say.
    real: a last row, real samples scored as if they were generated; its keys in the published file.
    elsewhere: a last column, what others publish of these methods: the published file's columns with the
    number and with who gives it.
    spread: what follows a mean over seeds: ± their standard deviation, or the mean's 95 % `interval`.
    """

    at: Annotated[tuple[At, ...], Field(min_length=1)] | dict[str, tuple[At, ...]] = ("end",)
    skip: Count = 0
    costs: tuple[Cost, ...] = ()
    side_by_side: bool = False
    split_labels: bool = False
    column: str = "{metric}_{at}"
    real: dict[str, str] | None = None
    elsewhere: Elsewhere | None = None
    spread: Literal["sd", "interval"] = "sd"

    @field_validator("column")
    @classmethod
    def _can_be_filled_in(cls, column: str) -> str:
        try:
            column.format(metric="", at="", dataset="", method="")
        except (KeyError, IndexError, ValueError):
            raise ValueError("may hold {metric}, {at}, {dataset} and {method}, no other braces") from None
        return column

    def metrics(self) -> Iterator[tuple[str, str]]:
        if isinstance(self.at, dict):
            yield from (("at", metric) for metric in self.at)


class ModeStatisticsOptions(Options):
    """snapshots: whether the values at the order's snapshots follow in a supplementary part."""

    snapshots: bool = True


class EffectOptions(Options):
    """What `variants` do to each recipe, against the recipe as it is, or against its variant `without`.

    titles: what heads the columns without and with; marks: what a row's label says of single variants.
    """

    variants: Annotated[tuple[str, ...], Field(min_length=1)]
    without: str | None = None
    titles: tuple[str, str] = ("without", "with")
    marks: dict[str, str] = {}


# ── figures ───────────────────────────────────────────────────────────────────────────────────────────


class CurvesOptions(Options):
    """tail_checkpoints: how many of the last checkpoints the second panel enlarges; 0 leaves it out.

    mark: a vertical green dashed line at the workload's `iterations`, where a continued run went on.
    """

    tail_checkpoints: Count = 10
    mark: bool = False


class GridsOptions(Options):
    """images: how many samples of each generator are shown.

    methods: `across`, a column for each generator and a row for each data set, as in the paper; or `down`, a
    row for each method, where there are many, and the data sets' generators side by side.
    """

    images: Positive = 16
    methods: Literal["across", "down"] = "across"


class ScatterOptions(Options):
    """union: a further row for each method with several generators, their equal mixture in one colour.

    last_only: only the end of training, the methods side by side (figure 12).
    """

    union: bool = False
    last_only: bool = False


class TrajectoriesOptions(Options):
    """examples: how many latents are followed; columns: at most so many iterations, evenly spaced.

    at: the iterations to show, as the paper counts them; none: the workload's snapshots, or every checkpoint.
    """

    examples: Annotated[int, Field(ge=1, le=8)] = 1
    columns: Annotated[int, Field(ge=2)] = 8
    at: tuple[Positive, ...] = ()


class HeatmapOptions(Options):
    """A recipe for each pair of values: `cells` has a row for each value of y, and in it one for each of x.

    at: what is shown of each metric, as in a table of scores; skip: first checkpoints left out of it.
    """

    x: str
    x_values: Annotated[tuple[str | float, ...], Field(min_length=1)]
    y: str
    y_values: Annotated[tuple[str | float, ...], Field(min_length=1)]
    cells: tuple[tuple[str, ...], ...]
    at: At = "best"
    skip: Count = 0

    @model_validator(mode="after")
    def _is_a_rectangle(self) -> "HeatmapOptions":
        wanted = [len(self.x_values)] * len(self.y_values)
        if [len(row) for row in self.cells] != wanted:
            raise ValueError(
                f"cells should have {len(wanted)} rows (y_values) of {len(self.x_values)} recipes (x_values)"
            )
        return self

    def recipes(self) -> Iterator[tuple[str, str]]:
        yield from (("cells", recipe) for recipe in chain(*self.cells))


class GroupedOptions(Options):
    """groups: the recipes by what sets them apart, under the name that the legend gives it."""

    groups: Annotated[
        dict[str, Annotated[tuple[str, ...], Field(min_length=1)]], Field(min_length=1, max_length=6)
    ]

    def recipes(self) -> Iterator[tuple[str, str]]:
        yield from (("groups", recipe) for recipe in chain(*self.groups.values()))


class DotsOptions(GroupedOptions):
    """at: which value of a metric is shown, as in a table of scores; skip: first checkpoints left out of it."""

    at: At = "end"
    skip: Count = 0


# ── claims ────────────────────────────────────────────────────────────────────────────────────────────


class Side(Strict):
    """One of the things compared: a recipe on a data set (by the paper's name; none if there is just one).

    source: which samples; none is the headline. share: up to which share of the run (0.52: its first 52 %);
    since: from which share on (0.8: its last fifth).
    """

    recipe: str
    dataset: str | None = None
    source: str | None = None
    since: Annotated[float, Field(ge=0, lt=1)] = 0.0
    share: Annotated[float, Field(gt=0, le=1)] = 1.0


class ClaimTest(Strict):
    """A statistic over training seeds, and which side of `than` the claim puts it on.

    statistic: value of `of`; difference `of` − `against`, paired by seed; ratio `of` / `against`, likewise,
    by its logarithm. The quantity is `metric` reduced `over` the checkpoints, after the first `skip`, of these
    the last `checkpoints`; first_below and first_above are the iteration at which `level` is reached.
    `than` is by default 0, and 1 for a ratio. if_diverged: the verdict when every run of `of` diverged.
    """

    statistic: Literal["value", "difference", "ratio"] = "difference"
    metric: str
    over: Literal["last", "min", "max", "mean", "std", "first_below", "first_above"] = "last"
    of: Side
    against: Side | None = None
    expect: Literal["lower", "higher"]
    than: float | None = None
    level: float | None = None
    skip: Count = 0
    checkpoints: Positive | None = None
    if_diverged: Verdict = "undecided"

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> "ClaimTest":
        if self.against is not None and self.statistic == "value":
            raise ValueError("a value has no `against`")
        if self.level is None and self.over.startswith("first_"):
            raise ValueError(f"over: {self.over} needs a level")
        return self

    @property
    def threshold(self) -> float:
        return self.than if self.than is not None else float(self.statistic == "ratio")


class Claim(Strict):
    """A statement of the paper, where it stands, what was published, and its test.

    each: one row per data set, with what was published for it; the sides of the test then name none.
    rivals: one row per recipe, with what was published for it; it takes the place of `against`, on the same
    data set.
    """

    name: str
    statement: str
    source: str = ""
    published: str = ""
    each: dict[str, str] = {}
    rivals: dict[str, str] = {}
    test: ClaimTest

    @property
    def sides(self) -> list[Side]:
        rivals = [self.test.of.model_copy(update={"recipe": recipe}) for recipe in self.rivals]
        return [self.test.of, *([self.test.against] if self.test.against else rivals)]

    @model_validator(mode="after")
    def _says_everything_once(self) -> "Claim":
        if self.each and (self.published or any(side.dataset for side in self.sides)):
            raise ValueError("`each` names the data sets and what was published: leave both out elsewhere")
        if self.rivals and (
            self.published or self.each or self.test.against or self.test.statistic == "value"
        ):
            raise ValueError(
                "`rivals` names the other sides and what was published: leave both out elsewhere"
            )
        if self.test.statistic != "value" and len(self.sides) < 2:
            raise ValueError("difference and ratio need `against`, or the claim `rivals`")
        return self


class ClaimsOptions(Options):
    """The claims of one paper, in the order in which they are shown."""

    claims: Annotated[tuple[Claim, ...], Field(min_length=1)]

    def recipes(self) -> Iterator[tuple[str, str]]:
        for index, claim in enumerate(self.claims):
            for side in claim.sides:
                yield f"claims.{index}.test", side.recipe

    def metrics(self) -> Iterator[tuple[str, str]]:
        yield from (
            (f"claims.{index}.test.metric", each.test.metric) for index, each in enumerate(self.claims)
        )


# Quantities that claims may speak of and that are no metrics.
CLAIMED_QUANTITIES = ("gpu_memory", "seconds_per_iteration", "generators_apart")

CLAIMS = "claims"
TABLES: dict[str, type[Options]] = {
    "scores": ScoresOptions,
    "mode_statistics": ModeStatisticsOptions,
    "effect": EffectOptions,
}
FIGURES: dict[str, type[Options]] = {
    "scatter": ScatterOptions,
    "curves": CurvesOptions,
    "grids": GridsOptions,
    "trajectories": TrajectoriesOptions,
    "heatmap": HeatmapOptions,
    "dots": DotsOptions,
    "method_dots": GroupedOptions,
    "method_curves": GroupedOptions,
    "method_times": GroupedOptions,
}
OPTIONS: dict[str, type[Options]] = {CLAIMS: ClaimsOptions} | TABLES | FIGURES

TableKind = Literal["scores", "mode_statistics", "effect"]
FigureKind = Literal[
    "scatter",
    "curves",
    "grids",
    "trajectories",
    "heatmap",
    "dots",
    "method_dots",
    "method_curves",
    "method_times",
]
