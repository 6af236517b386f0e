"""The report's entry points: a table, a figure, a list of claims, and the page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gantry.report.claims import make_claims
from gantry.report.tables.make import make_table

__all__ = ["make_claims", "make_figure", "make_page", "make_table"]


def make_figure(spec: dict[str, Any], png: Path, svg: Path) -> None:
    """Draw one figure and write it in both formats; see `gantry.report.figures.make`."""
    # matplotlib takes longer to import than a table takes to make.
    from gantry.report.figures.make import make_figure as draw

    draw(spec, png, svg)


def make_page(specs: Sequence[dict[str, Any]], outputs: Mapping[str, Mapping[str, Path]], out: Path) -> None:
    """Write report.html from the specs and the files made of them; see `gantry.report.page.make`."""
    from gantry.report.page.make import make_page as write

    write(specs, outputs, out)
