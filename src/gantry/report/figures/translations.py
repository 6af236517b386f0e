"""Input, output, back and truth, side by side; of points, lines from inputs to outputs."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from gantry.errors import UserError
from gantry.metrics.names import BACK, INPUT, TRUTH
from gantry.plan.output_types.figures import TranslationsOptions
from gantry.report.colours import COLOURS
from gantry.report.figures.captions import shown_runs
from gantry.report.figures.pictures import mosaic, show, show_nothing
from gantry.report.figures.sheet import new_sheet
from gantry.report.figures.style import REAL, footer, in_lines, label, no_ticks
from gantry.report.load import Loaded, LoadedGroup
from gantry.report.text import short
from gantry.report.titles import title_of

ACROSS = 4
# How many inputs share a colour: neighbours on a circle around their middle.
SECTORS = len(COLOURS)


def draw(loaded: Loaded, options: TranslationsOptions) -> Figure:
    """A panel for each method and direction, of the last checkpoint."""
    tiles = [(group, source) for group in loaded.groups for source in _sources(loaded, group, options)]
    of_points = tiles[0][0].shown.samples[tiles[0][1]].ndim == 3
    across = min(len(tiles), ACROSS)
    side = 2.1 if of_points else 2.4
    several = len(loaded.dataset_titles) > 1
    titles = [
        in_lines(
            ", ".join([group.group.recipe_title, *([group.group.dataset_title] if several else []), source]),
            side,
        )
        for group, source in tiles
    ]
    above = 0.15 + 0.15 * (1 + max(title.count("\n") for title in titles)) + (0 if of_points else 0.13)
    ends = dict.fromkeys(short(int(i[-1])) for g in loaded.groups if len(i := g.shown.samples["iterations"]))
    small_print = footer(
        loaded.spec,
        f"after {', '.join(ends)} iterations" if ends else "",
        shown_runs(loaded),
        "lines go from held-out inputs to their outputs, the dots, coloured by the input; grey: where they belong"
        if of_points
        else "the first held-out samples, not chosen",
    )
    gaps = [0.15] * (across - 1), [above] * (-(-len(tiles) // across) - 1)
    sheet = new_sheet(title_of(loaded), small_print, side, *gaps, head=0.35 + above)
    panels = [ax for line in sheet.panels for ax in line]
    for ax, (group, source), title in zip(panels, tiles, titles, strict=False):
        if not len(group.shown.samples["iterations"]):
            show_nothing(ax, group)
            ax.set_title(label(title), fontsize=9)
            continue
        columns = (lines if of_points else rows)(ax, group.shown.samples, source, options.images)
        ax.set_title(label(f"{title}\n{columns}" if columns else title), fontsize=8.5)
    for ax in panels[len(tiles) :]:
        ax.axis("off")
    return sheet.figure


def _sources(loaded: Loaded, group: LoadedGroup, options: TranslationsOptions) -> list[str]:
    """The directions that are shown; UserError for samples that nothing was translated into."""
    found = [name for name in group.shown.generators if f"{INPUT} {name}" in group.shown.samples]
    if not found:
        spec = loaded.spec
        raise UserError(
            f"{spec.paper}/{spec.name}: type {spec.type} shows translations, not {group.group.key}"
        )
    return found if options.both else found[:1]


def rows(ax: Axes, samples: Mapping[str, np.ndarray], source: str, count: int) -> str:
    """Draw `count` rows of images; return what stands in the columns."""
    columns = {INPUT: samples[f"{INPUT} {source}"][-1], "output": samples[source][-1]}
    columns |= {
        what: samples[f"{what} {source}"][-1] for what in (BACK, TRUTH) if f"{what} {source}" in samples
    }
    side = max(images.shape[1] for images in columns.values())
    count = min(count, *(len(images) for images in columns.values()))
    tiles = [_enlarged(images[index], side) for index in range(count) for images in columns.values()]
    show(ax, mosaic(np.stack(tiles), len(tiles), len(columns)))
    return "  |  ".join(columns)


def _enlarged(image: np.ndarray, side: int) -> np.ndarray:
    """An image of `side` pixels, its own repeated."""
    return image.repeat(side // image.shape[0], axis=0).repeat(side // image.shape[1], axis=1)


def lines(ax: Axes, samples: Mapping[str, np.ndarray], source: str, count: int) -> str:
    """Draw four times `count` lines from inputs to outputs, which are dots, over the points where they belong."""
    given, made = samples[f"{INPUT} {source}"][-1], samples[source][-1]
    truth = samples.get(f"{TRUTH} {source}")
    if truth is not None:
        ax.scatter(truth[-1][:, 0], truth[-1][:, 1], s=2, color=REAL, linewidths=0, zorder=1)
    middle = given.mean(axis=0)
    angle = np.arctan2(*(given - middle).T[::-1]) / (2 * np.pi) + 0.5
    near = np.linalg.norm(given - middle, axis=1) < 0.25 * np.linalg.norm(given - middle, axis=1).max()
    sector = np.floor(angle * SECTORS).astype(int) % SECTORS
    drawn = slice(0, 4 * count)
    colours = ["#222222" if is_near else COLOURS[k] for is_near, k in zip(near, sector, strict=True)]
    ends = np.stack([given[drawn], made[drawn]], axis=1)
    ax.add_collection(LineCollection(list(ends), colors=colours[drawn], linewidths=0.5, alpha=0.5, zorder=2))
    ax.scatter(made[drawn, 0], made[drawn, 1], s=6, c=colours[drawn], linewidths=0, zorder=3)
    everything = np.concatenate([given, made, *([] if truth is None else [truth[-1]])])
    reach = 1.1 * np.abs(everything - middle).max()
    ax.set_xlim(middle[0] - reach, middle[0] + reach)
    ax.set_ylim(middle[1] - reach, middle[1] + reach)
    ax.set_aspect("equal")
    no_ticks(ax)
    return ""
