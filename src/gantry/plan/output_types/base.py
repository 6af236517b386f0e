"""What the options of every type are made of, and the registry from a type to them and to what makes it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import Field

from gantry.plan.blocks.base import Positive, Strict

if TYPE_CHECKING:
    from gantry.plan.recipe import Workload

Count = Annotated[int, Field(ge=0)]
# How a curve over the checkpoints becomes a number; a number of iterations is one on the paper's own scale.
Statistic = Literal["end", "best", "min", "max", "mean", "std"]
At = Statistic | Positive


class Options(Strict):
    """Options of one type, and which recipes and metrics they speak of."""

    def recipes(self) -> Iterator[tuple[str, str]]:
        """(key, recipe) for every recipe that the options name; it must be among the output's runs."""
        yield from ()

    def obstacle(self, workload: "Workload") -> str | None:
        """Why runs of this workload cannot show what is asked for, and what to do; None if they can."""
        return None

    def metrics(self) -> Iterator[tuple[str, str]]:
        """(key, metric) for every metric that the options name."""
        yield from ()


Family = Literal["table", "figure", "claims"]
SUFFIXES: dict[Family, tuple[str, ...]] = {
    "table": ("csv", "md", "tex"),
    "figure": ("png", "svg"),
    "claims": ("csv", "md"),
}
# Where the maker of a type lies, and the function in it that makes an output of its family.
MAKERS: dict[Family, tuple[str, str]] = {
    "table": ("gantry.report.tables.{}", "cells"),
    "figure": ("gantry.report.figures.{}", "draw"),
    "claims": ("gantry.report.{}", "make_claims"),
}


@dataclass(frozen=True)
class OutputType:
    """A type of output: its options, the file of its name that makes it, and whether the page has its own of it.

    Makers are named and not imported: a plan needs neither pandas nor matplotlib.
    """

    name: str
    family: Family
    options: type[Options]
    on_page: bool = False

    def make(self) -> Callable[..., Any]:
        """Import what makes an output: `cells` of a table, `draw` of a figure, `make_claims`."""
        module, function = MAKERS[self.family]
        found: Callable[..., Any] = getattr(import_module(module.format(self.name)), function)
        return found

    def make_on_page(self) -> Callable[..., str] | None:
        """Import what makes HTML to be handled on the page, if this type has any."""
        if not self.on_page:
            return None
        found: Callable[..., str] = getattr(import_module("gantry.report.page.interactive"), self.name)
        return found


OUTPUT_TYPES: dict[str, OutputType] = {}
_Options = TypeVar("_Options", bound=type[Options])


def register(family: Family, *names: str, on_page: bool = False) -> Callable[[_Options], _Options]:
    """Class decorator: make these types of output known, which have the options of the class."""

    def enter(options: _Options) -> _Options:
        OUTPUT_TYPES.update({name: OutputType(name, family, options, on_page) for name in names})
        return options

    return enter
