"""Samples of every method and generator at the last checkpoint: BCGAN figure 4."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from matplotlib.figure import Figure

from gantry.plan.kinds.figures import GridsOptions
from gantry.report.figures.captions import shown_runs
from gantry.report.figures.pictures import BETWEEN_METHODS, mosaic, require_images, show, show_nothing
from gantry.report.figures.sheet import new_sheet
from gantry.report.figures.style import DIVIDER, INK, footer, in_lines, label
from gantry.report.load import Loaded
from gantry.report.samples import arranged
from gantry.report.text import short


def draw(loaded: Loaded, options: GridsOptions) -> Figure:
    """A row per data set and a column per generator of each method, or, `down`, a row per method.

    Black lines stand between methods (`down`: data sets), red ones between the generators of one.
    """
    require_images(loaded)
    order = loaded.order
    arrangement = arranged(loaded, options)
    rows, columns = arrangement.rows, arrangement.columns
    widest = max(group.shown.samples["G1"].shape[3] for group in loaded.groups)
    side = 1.9 if widest <= 64 else 3.0
    gaps = [0.1 if a[0] == b[0] else 0.2 for a, b in pairwise(columns)]
    ends = dict.fromkeys(short(int(i[-1])) for g in loaded.groups if len(i := g.shown.samples["iterations"]))
    small_print = footer(
        order,
        f"after {', '.join(ends)} iterations" if ends else "",
        shown_runs(loaded),
        "the first samples, not chosen; a place is the same z in every generator of a run",
    )
    above, at_left = ([in_lines(text, side) for text in texts] for texts in (arrangement.titles, rows))
    sheet = new_sheet(
        order.title,
        small_print,
        side,
        gaps,
        [0.12] * (len(rows) - 1),
        left=0.1 + 0.15 * _lines(at_left),
        head=0.4 + 0.15 * _lines(above),
    )
    for row, text, panels in zip(rows, at_left, sheet.panels, strict=True):
        for (block, generator), ax in zip(columns, panels, strict=True):
            group = arrangement.cells.get((row, block, generator))
            if group is None:
                ax.axis("off")
            elif not len(group.shown.samples["iterations"]):
                show_nothing(ax, group)
            else:
                show(ax, mosaic(group.shown.samples[generator][-1], options.images))
        place: dict[str, Any] = {"rotation": 90, "ha": "right", "va": "center", "ma": "center", "color": INK}
        panels[0].text(-0.03, 0.5, label(text), transform=panels[0].transAxes, fontsize=8.5, **place)
    for ax, text in zip(sheet.panels[0], above, strict=True):
        ax.set_title(label(text))
    for column in range(1, len(columns)):
        same = columns[column][0] == columns[column - 1][0]
        sheet.vertical(column, DIVIDER if same else BETWEEN_METHODS)
    return sheet.figure


def _lines(texts: Sequence[str]) -> int:
    """How many lines the longest of these labels has."""
    return 1 + max(text.count("\n") for text in texts)
