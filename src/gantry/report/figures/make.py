"""Figures: a spec in, PNG and SVG out."""

from pathlib import Path
from typing import Any

from gantry.report.figures.style import save, styled
from gantry.report.load import load
from gantry.report.specs import options_of, parse_spec, type_of


def make_figure(spec: dict[str, Any], png: Path, svg: Path) -> None:
    """Draw one figure and write it in both formats."""
    parsed = parse_spec(spec)
    draw = type_of(parsed, "figure").make()
    with styled():
        save(draw(load(parsed), options_of(parsed)), png, svg)
