"""Samples of every method and generator at the last checkpoint, a row per data set: BCGAN figure 4."""

from itertools import pairwise
from typing import Any

from matplotlib.figure import Figure

from gantry.plan.kinds import GridsOptions
from gantry.report.figures.pictures import BETWEEN_METHODS, mosaic, require_images, show, show_nothing
from gantry.report.figures.sheet import new_sheet
from gantry.report.figures.style import DIVIDER, INK, footer, label
from gantry.report.load import Loaded
from gantry.report.text import short


def draw(loaded: Loaded, options: GridsOptions) -> Figure:
    """A row per data set, a column per generator; black lines between methods, red between generators."""
    require_images(loaded)
    order = loaded.order
    datasets = list(dict.fromkeys(group.group.dataset_title for group in loaded.groups))
    cells = {
        (group.group.dataset_title, group.group.recipe_label, generator): group
        for group in loaded.groups
        for generator in group.shown.generators
    }
    columns = list(dict.fromkeys((recipe, generator) for _, recipe, generator in cells))
    widest = max(group.shown.samples["G1"].shape[3] for group in loaded.groups)
    side = 1.9 if widest <= 64 else 3.0
    gaps = [0.1 if a[0] == b[0] else 0.2 for a, b in pairwise(columns)]
    seeds = ", ".join(dict.fromkeys(str(group.shown.seed) for group in loaded.groups))
    ends = dict.fromkeys(short(int(i[-1])) for g in loaded.groups if len(i := g.shown.samples["iterations"]))
    small_print = footer(
        order,
        f"after {', '.join(ends)} iterations" if ends else "",
        f"one run each, seed {seeds}",
        "the first samples, not chosen; a place is the same z in every generator of a run",
    )
    sheet = new_sheet(
        order.title, small_print, side, gaps, [0.12] * (len(datasets) - 1), left=0.25, head=0.55
    )
    for row, dataset in enumerate(datasets):
        for column, (recipe, generator) in enumerate(columns):
            ax = sheet.panels[row][column]
            group = cells.get((dataset, recipe, generator))
            if group is None:
                ax.axis("off")
            elif not len(group.shown.samples["iterations"]):
                show_nothing(ax, group)
            else:
                show(ax, mosaic(group.shown.samples[generator][-1], options.images))
        place: dict[str, Any] = {"rotation": 90, "ha": "right", "va": "center", "fontsize": 8.5, "color": INK}
        first = sheet.panels[row][0]
        first.text(-0.03, 0.5, dataset, transform=first.transAxes, **place)
    several = {recipe for recipe, generator in columns if generator == "G2"}
    for ax, (recipe, generator) in zip(sheet.panels[0], columns, strict=True):
        ax.set_title(label(recipe) + (f", {generator}" if recipe in several else ""))
    for column in range(1, len(columns)):
        same = columns[column][0] == columns[column - 1][0]
        sheet.vertical(column, DIVIDER if same else BETWEEN_METHODS)
    return sheet.figure
