"""What the options of every kind are made of."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from gantry.plan.blocks.base import Positive, Strict

Count = Annotated[int, Field(ge=0)]
# How a curve over the checkpoints becomes a number; a number of iterations is one on the paper's own scale.
Statistic = Literal["end", "best", "min", "max", "mean", "std"]
At = Statistic | Positive


class Options(Strict):
    """Options of one kind, and which recipes and metrics they speak of."""

    def recipes(self) -> Iterator[tuple[str, str]]:
        """(key, recipe) for every recipe that the options name; it must be among the output's runs."""
        yield from ()

    def metrics(self) -> Iterator[tuple[str, str]]:
        """(key, metric) for every metric that the options name."""
        yield from ()
