"""Figures: a spec in, PNG and SVG out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from gantry.errors import UserError
from gantry.report.figures import (
    curves,
    dots,
    grids,
    heatmap,
    method_curves,
    method_dots,
    method_times,
    scatter,
    trajectories,
)
from gantry.report.figures.style import save, styled
from gantry.report.load import Loaded, load
from gantry.report.specs import options_of, parse_spec, unknown_type

KINDS: dict[str, Callable[[Loaded, Any], Figure]] = {
    "scatter": scatter.draw,
    "curves": curves.draw,
    "grids": grids.draw,
    "trajectories": trajectories.draw,
    "dots": dots.draw,
    "method_dots": method_dots.draw,
    "method_curves": method_curves.draw,
    "method_times": method_times.draw,
    "heatmap": heatmap.draw,
}


def make_figure(spec: dict[str, Any], png: Path, svg: Path) -> None:
    """Draw one figure and write it in both formats."""
    parsed = parse_spec(spec)
    if parsed.kind not in KINDS:
        raise UserError(unknown_type(parsed, KINDS))
    with styled():
        save(KINDS[parsed.kind](load(parsed), options_of(parsed)), png, svg)
