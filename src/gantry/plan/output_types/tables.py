"""Options of the tables, a model a type."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, field_validator

from gantry.plan.blocks.base import Strict
from gantry.plan.output_types.base import At, Count, Options, register

Cost = Literal["gpu_memory", "seconds_per_iteration"]


class Elsewhere(Strict):
    """A column of numbers that are not the paper's: its title, and where the published file has them."""

    title: str
    column: str
    source: str


@register("table", "scores")
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
    untrained: last rows that stand beside translations: the inputs as they are, enlarged, held-out real samples.
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
    untrained: tuple[Literal["identity", "bicubic", "real"], ...] = ()
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


@register("table", "mode_statistics")
class ModeStatisticsOptions(Options):
    """snapshots: whether the values at the order's snapshots follow in a supplementary part."""

    snapshots: bool = True


@register("table", "effect")
class EffectOptions(Options):
    """What `variants` do to each recipe, against the recipe as it is, or against its variant `without`.

    titles: what heads the columns without and with; marks: what a row's label says of single variants.
    """

    variants: Annotated[tuple[str, ...], Field(min_length=1)]
    without: str | None = None
    titles: tuple[str, str] = ("without", "with")
    marks: dict[str, str] = {}
