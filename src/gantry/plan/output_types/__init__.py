"""The kinds of tables, figures and claims, and the options of each: what an `outputs` entry may say.

The report's rooms draw and compute; here stands only what may be asked of them, so that a mistake is refused
before anything runs.
"""

from typing import Literal

from gantry.plan.output_types.base import Options
from gantry.plan.output_types.claims import ClaimsOptions
from gantry.plan.output_types.figures import (
    CurvesOptions,
    DotsOptions,
    GridsOptions,
    GroupedOptions,
    HeatmapOptions,
    ScatterOptions,
    TrajectoriesOptions,
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
