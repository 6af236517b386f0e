"""The types of output, an entry each: what an `outputs` entry may say, and what makes it.

The report's rooms draw and compute; here stands only what may be asked of them, so that a mistake is refused
before anything runs. A new type is a file with its maker, its options, and one line of OUTPUT_TYPES.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from gantry.plan.output_types.base import Options
from gantry.plan.output_types.claims import ClaimsOptions
from gantry.plan.output_types.figures import (
    CurvesOptions,
    DotsOptions,
    GridsOptions,
    GroupedOptions,
    GrowthOptions,
    HeatmapOptions,
    ScatterOptions,
    TrajectoriesOptions,
    TranslationsOptions,
)
from gantry.plan.output_types.tables import EffectOptions, ModeStatisticsOptions, ScoresOptions

# Quantities that claims may speak of and that are no metrics.
CLAIMED_QUANTITIES = (
    "gpu_memory",
    "seconds_per_iteration",
    "generator_parameters",
    "generators_apart",
    "backgrounds_apart",
    "middle_mode_error",
)

CLAIMS = "claims"
Family = Literal["table", "figure", "claims"]
SUFFIXES: dict[Family, tuple[str, ...]] = {
    "table": ("csv", "md", "tex"),
    "figure": ("png", "svg"),
    "claims": ("csv", "md"),
}
# The function of a maker's module that makes an output of its family.
MAKES: dict[Family, str] = {"table": "cells", "figure": "draw", "claims": "make_claims"}


@dataclass(frozen=True)
class OutputType:
    """A type of output: its options, the module that makes it, and the function that the page has of its own.

    Modules are named and not imported: a plan needs neither pandas nor matplotlib.
    """

    family: Family
    options: type[Options]
    maker: str
    on_page: str = ""

    def make(self) -> Callable[..., Any]:
        """Import what makes an output: `cells` of a table, `draw` of a figure, `make_claims`."""
        found: Callable[..., Any] = getattr(import_module(self.maker), MAKES[self.family])
        return found

    def make_on_page(self) -> Callable[..., str] | None:
        """Import what makes HTML to be handled on the page, if this type has any."""
        if not self.on_page:
            return None
        found: Callable[..., str] = getattr(import_module("gantry.report.page.interactive"), self.on_page)
        return found


def _figure(name: str, options: type[Options], on_page: str = "") -> OutputType:
    return OutputType("figure", options, f"gantry.report.figures.{name}", on_page)


OUTPUT_TYPES: dict[str, OutputType] = {
    CLAIMS: OutputType("claims", ClaimsOptions, "gantry.report.claims"),
    "scores": OutputType("table", ScoresOptions, "gantry.report.tables.scores"),
    "mode_statistics": OutputType("table", ModeStatisticsOptions, "gantry.report.tables.mode_statistics"),
    "effect": OutputType("table", EffectOptions, "gantry.report.tables.effect"),
    "scatter": _figure("scatter", ScatterOptions),
    "curves": _figure("curves", CurvesOptions, "curves"),
    "grids": _figure("grids", GridsOptions, "grids"),
    "translations": _figure("translations", TranslationsOptions),
    "trajectories": _figure("trajectories", TrajectoriesOptions),
    "growth": _figure("growth", GrowthOptions),
    "heatmap": _figure("heatmap", HeatmapOptions),
    "dots": _figure("dots", DotsOptions),
    "method_dots": _figure("method_dots", GroupedOptions),
    "method_curves": _figure("method_curves", GroupedOptions),
    "method_times": _figure("method_times", GroupedOptions),
}

if TYPE_CHECKING:
    Kind = str
else:
    Kind = Literal[tuple(OUTPUT_TYPES)]
