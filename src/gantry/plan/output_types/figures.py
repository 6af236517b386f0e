"""Options of the figures, a model a type; types that group methods alike share one."""

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from gantry.plan.blocks.base import Positive
from gantry.plan.blocks.sampling import MontageName
from gantry.plan.output_types.base import At, Count, Options, register

if TYPE_CHECKING:
    from gantry.plan.recipe import Workload


@register("figure", "curves", on_page=True)
class CurvesOptions(Options):
    """tail_checkpoints: how many of the last checkpoints the second panel enlarges; 0 leaves it out.

    mark: a vertical green dashed line at the workload's `iterations`, where a continued run went on.
    """

    tail_checkpoints: Count = 10
    mark: bool = False


@register("figure", "grids", on_page=True)
class GridsOptions(Options):
    """images: how many samples of each generator are shown.

    methods: `across`, a column for each generator and a row for each data set, as in the paper; `down`, a row
    for each method, and the data sets' generators side by side; or `tiled`, where there are many methods of one
    generator: line after line, each under its name (on the page: `down`).
    across: how many stand in a line, none for a square. Samples are asked for classes in turn, so the number of
    classes gives each class a column.
    """

    images: Positive = 16
    across: Positive | None = None
    methods: Literal["across", "down", "tiled"] = "across"


@register("figure", "translations")
class TranslationsOptions(Options):
    """images: how many held-out samples are shown, a row each; of points four times as many, an arrow each.

    both: whether a method's way back is shown too, in a panel of its own.
    """

    images: Positive = 8
    both: bool = False


@register("figure", "scatter")
class ScatterOptions(Options):
    """union: a further row for each method with several generators, their equal mixture in one colour.

    last_only: only the end of training, the methods side by side (figure 12).
    """

    union: bool = False
    last_only: bool = False


@register("figure", "trajectories")
class TrajectoriesOptions(Options):
    """examples: how many latents are followed; columns: at most so many iterations, evenly spaced.

    at: the iterations to show, as the paper counts them; none: the workload's snapshots, or every checkpoint.
    """

    examples: Annotated[int, Field(ge=1, le=8)] = 1
    columns: Annotated[int, Field(ge=2)] = 8
    at: tuple[Positive, ...] = ()


@register("figure", "growth")
class GrowthOptions(Options):
    """A column for each recipe, over the images shown to it: size and share of the newest level, losses, time."""


@register("figure", "montage")
class MontageOptions(Options):
    """of: which table of images is shown, of those that the workload's `montages` have made; see docs/figures.md."""

    of: MontageName

    def obstacle(self, workload: "Workload") -> str | None:
        return None if self.of in workload.montages else f"makes no {self.of}: add it to its montages"


@register("figure", "confusion")
class ConfusionOptions(Options):
    """A panel for each method, and one of real samples: which class samples of each class are taken for."""


@register("figure", "sweep")
class SweepOptions(Options):
    """A curve of each metric over a setting, that of one run's samples or that of recipes.

    setting: of samples of one run, as the workload's `sweep` has scored them. lines: of recipes, a line each. over:
    the number that a line's recipes differ in, as a dotted key of a recipe. x: what the axis is called.
    against: a metric that takes the setting's place along the axis; the values then stand beside the points.
    at: which value of a metric is shown of each recipe, as in a table of scores; skip: first checkpoints left out.
    """

    setting: Literal["truncation", "scaled", "psi"] | None = None
    lines: dict[str, Annotated[tuple[str, ...], Field(min_length=2)]] = {}
    over: str = ""
    x: str = ""
    against: str | None = None
    at: At = "end"
    skip: Count = 0

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> "SweepOptions":
        if (self.setting is None) == (not self.lines):
            raise ValueError(
                "give setting (samples of one run) or lines (recipes that differ in a number), one of the two"
            )
        if self.lines and not (self.over and self.x):
            raise ValueError(
                "lines need over, the key of a recipe along the axis, and x, what that is called"
            )
        return self

    def obstacle(self, workload: "Workload") -> str | None:
        if self.setting is None or getattr(workload.sweep, self.setting):
            return None
        return f"scores no samples at another {self.setting}: give it sweep: {{{self.setting}: [...]}}"

    def recipes(self) -> Iterator[tuple[str, str]]:
        yield from ((f"lines.{name}", recipe) for name, line in self.lines.items() for recipe in line)

    def metrics(self) -> Iterator[tuple[str, str]]:
        if self.against:
            yield "against", self.against


@register("figure", "heatmap")
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


@register("figure", "translation_matrix")
class TranslationMatrixOptions(Options):
    """A cell for each pair of a translator's domains: a metric of what goes from the row's into the column's.

    at: what is shown of each metric, as in a table of scores; skip: first checkpoints left out of it.
    """

    at: At = "end"
    skip: Count = 0


@register("figure", "method_dots", "method_curves", "method_times")
class GroupedOptions(Options):
    """groups: the recipes by what sets them apart, under the name that the legend gives it."""

    groups: Annotated[
        dict[str, Annotated[tuple[str, ...], Field(min_length=1)]], Field(min_length=1, max_length=6)
    ]

    def recipes(self) -> Iterator[tuple[str, str]]:
        yield from (("groups", recipe) for recipe in chain(*self.groups.values()))


@register("figure", "dots")
class DotsOptions(GroupedOptions):
    """at: which value of a metric is shown, as in a table of scores; skip: first checkpoints left out of it."""

    at: At = "end"
    skip: Count = 0
