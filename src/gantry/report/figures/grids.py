"""Samples of every method and generator at the last checkpoint: BCGAN figure 4."""

from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gantry.plan.output_types.figures import GridsOptions
from gantry.report.figures.captions import shown_runs
from gantry.report.figures.pictures import BETWEEN_METHODS, mosaic, require_images, show, show_nothing
from gantry.report.figures.sheet import new_sheet
from gantry.report.figures.style import DIVIDER, INK, footer, in_lines, label
from gantry.report.load import Loaded, LoadedGroup
from gantry.report.samples import arranged
from gantry.report.text import short
from gantry.report.titles import title_of

TILES_ACROSS = 4


def draw(loaded: Loaded, options: GridsOptions) -> Figure:
    """The samples as `options.methods` has them stand."""
    require_images(loaded)
    widest = max(group.shown.samples["G1"].shape[3] for group in loaded.groups)
    side = 1.9 if widest <= 64 else 3.0
    ends = dict.fromkeys(short(int(i[-1])) for g in loaded.groups if len(i := g.shown.samples["iterations"]))
    small_print = footer(
        loaded.spec,
        f"after {', '.join(ends)} iterations" if ends else "",
        shown_runs(loaded),
        "the first samples, not chosen; a place is the same z in every generator of a run",
    )
    return (_tiled if options.methods == "tiled" else _in_rows)(loaded, options, side, small_print)


def _in_rows(loaded: Loaded, options: GridsOptions, side: float, small_print: str) -> Figure:
    """A row per data set and a column per generator of each method, or, `down`, a row per method.

    Black lines stand between methods (`down`: data sets), red ones between the generators of one.
    """
    arrangement = arranged(loaded, options)
    rows, columns = arrangement.rows, arrangement.columns
    gaps = [0.1 if a[0] == b[0] else 0.2 for a, b in pairwise(columns)]
    above, at_left = ([in_lines(text, side) for text in texts] for texts in (arrangement.titles, rows))
    sheet = new_sheet(
        title_of(loaded),
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
            _fill(ax, group, generator, options)
        place: dict[str, Any] = {"rotation": 90, "ha": "right", "va": "center", "ma": "center", "color": INK}
        panels[0].text(-0.03, 0.5, label(text), transform=panels[0].transAxes, fontsize=8.5, **place)
    for ax, text in zip(sheet.panels[0], above, strict=True):
        ax.set_title(label(text))
    for column in range(1, len(columns)):
        same = columns[column][0] == columns[column - 1][0]
        sheet.vertical(column, DIVIDER if same else BETWEEN_METHODS)
    return sheet.figure


def _tiled(loaded: Loaded, options: GridsOptions, side: float, small_print: str) -> Figure:
    """The generators of all methods and data sets one after the other, line after line, each under its name."""
    tiles = [(group, generator) for group in loaded.groups for generator in group.shown.generators]
    titles = [in_lines(_name(group, generator, loaded), side) for group, generator in tiles]
    across = min(len(tiles), TILES_ACROSS)
    above = 0.1 + 0.15 * _lines(titles)
    gaps = [0.12] * (across - 1), [above] * (-(-len(tiles) // across) - 1)
    sheet = new_sheet(title_of(loaded), small_print, side, *gaps, head=0.35 + above)
    panels = list(chain(*sheet.panels))
    for ax, tile, title in zip(panels, tiles, titles, strict=False):
        _fill(ax, *tile, options)
        ax.set_title(label(title), fontsize=9)
    for ax in panels[len(tiles) :]:
        ax.axis("off")
    return sheet.figure


def _name(group: LoadedGroup, generator: str, loaded: Loaded) -> str:
    """A tile's title: the method, and the data set and the generator where there are several."""
    several = len(loaded.dataset_titles) > 1
    parts = [group.group.recipe_title, group.group.dataset_title if several else ""]
    return ", ".join(filter(None, [*parts, generator if len(group.shown.generators) > 1 else ""]))


def _fill(ax: Axes, group: LoadedGroup | None, generator: str, options: GridsOptions) -> None:
    """One panel: the last samples of one generator, the word that there are none, or nothing at all."""
    if group is None:
        ax.axis("off")
    elif not len(group.shown.samples["iterations"]):
        show_nothing(ax, group)
    else:
        show(ax, mosaic(group.shown.samples[generator][-1], options.images, options.across))


def _lines(texts: Sequence[str]) -> int:
    """How many lines the longest of these labels has."""
    return 1 + max(text.count("\n") for text in texts)
