"""The report's entry points: single tables, figures, claims, or all of a paper in one process."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gantry.report.claims import make_claims
from gantry.report.load import Cache
from gantry.report.tables import KINDS as TABLES
from gantry.report.tables import make_table

__all__ = ["make_all", "make_claims", "make_figure", "make_page", "make_table"]

CLAIMS = "claims"


def make_figure(order: dict[str, Any], png: Path, svg: Path, cache: Cache | None = None) -> None:
    """Draw one figure and write it in both formats."""
    # matplotlib takes longer to import than a table takes to make.
    from gantry.report.figures.make import make_figure as draw

    draw(order, png, svg, cache)


def make_page(orders: Sequence[dict[str, Any]], outputs: Mapping[str, Mapping[str, Path]], out: Path) -> None:
    """Write report.html from the orders and the files made of them; see `gantry.report.page.make`."""
    from gantry.report.page.make import make_page as write

    write(orders, outputs, out)


def make_all(orders: Sequence[tuple[dict[str, Any], Mapping[str, Path]]]) -> None:
    """Make each order's files: {"csv", "md", "tex"}, {"png", "svg"} or, for claims, {"csv", "md"}.

    One process for all of them imports the libraries once and reads each run once.
    """
    cache: Cache = {}
    for order, paths in orders:
        if order.get("kind") == CLAIMS:
            make_claims(order, paths["csv"], paths["md"], cache)
        elif order.get("kind") in TABLES:
            make_table(order, paths["csv"], paths["md"], paths["tex"], cache)
        else:
            make_figure(order, paths["png"], paths["svg"], cache)
