"""One fixed z through training, a row per generator: BCGAN figure 9."""

from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gantry.plan.output_types.figures import TrajectoriesOptions
from gantry.report.figures.captions import shown_runs
from gantry.report.figures.pictures import BETWEEN_METHODS, require_images, show, show_nothing
from gantry.report.figures.sheet import new_sheet
from gantry.report.figures.style import DIVIDER, INK, fitted, footer, label, width_of
from gantry.report.load import Loaded, LoadedGroup
from gantry.report.samples import evenly, nearest_index
from gantry.report.text import short
from gantry.report.titles import title_of

ROOM, POINTS = 1.0, 8.5  # inches for a row's name, and the size of its letters


def draw(loaded: Loaded, options: TrajectoriesOptions) -> Figure:
    """Columns are `at`, or the spec's snapshots, or all checkpoints; black lines between methods, red within."""
    require_images(loaded)
    spec = loaded.spec
    scored = sorted({int(i) for group in loaded.groups for i in group.shown.samples["iterations"]})
    wanted = (
        sorted({spec.checkpoint_for(at, scored) for at in options.at})
        or [snapshot for snapshot in spec.snapshots if snapshot in scored]
        or scored
    )
    columns = evenly(wanted or [spec.iterations], options.columns)
    rows: list[tuple[LoadedGroup, str, int]] = [
        (group, generator, example)
        for group in loaded.groups
        for generator in group.shown.generators
        for example in range(options.examples)
    ]
    gaps = [_gap(a, b) for a, b in pairwise(rows)]
    data = ", ".join(dict.fromkeys(group.dataset_title for group in spec.groups))
    small_print = footer(spec, data, shown_runs(loaded), "each row follows one z")
    names = [_name(group, generator) if example == 0 else [] for group, generator, example in rows]
    left = 0.1 + max(width_of(line, POINTS) for name in names for line in name)
    sheet = new_sheet(title_of(loaded), small_print, 0.95, [0.05] * (len(columns) - 1), gaps, left=left)
    place: dict[str, Any] = {"ha": "right", "va": "center", "fontsize": POINTS, "color": INK}
    for line, name, (group, generator, example) in zip(sheet.panels, names, rows, strict=True):
        for ax, iteration in zip(line, columns, strict=True):
            _cell(ax, group, generator, example, iteration)
        line[0].text(-0.08, 0.5, label("\n".join(name)), transform=line[0].transAxes, **place)
    for ax, iteration in zip(sheet.panels[0], columns, strict=True):
        ax.set_title(f"{short(iteration)} iter." if iteration == columns[0] else short(iteration))
    for row in range(1, len(rows)):
        if rows[row][:2] != rows[row - 1][:2]:
            sheet.horizontal(row, DIVIDER if rows[row][0] is rows[row - 1][0] else BETWEEN_METHODS)
    return sheet.figure


def _name(group: LoadedGroup, generator: str) -> list[str]:
    """Return the lines of a row's name."""
    lines = fitted(group.group.recipe_title, ROOM, POINTS).split("\n")
    if len(group.shown.generators) > 1:
        lines[-1] += ","
        lines.append(generator)
    return lines


def _gap(above: tuple[LoadedGroup, str, int], below: tuple[LoadedGroup, str, int]) -> float:
    return 0.05 if above[:2] == below[:2] else 0.14


def _cell(ax: Axes, group: LoadedGroup, generator: str, example: int, iteration: int) -> None:
    run = group.shown
    iterations = run.samples["iterations"]
    stopped = run.diverged_at is not None and run.diverged_at <= iteration
    if stopped or not len(iterations):
        show_nothing(ax, group)
    else:
        show(ax, run.samples[generator][nearest_index(iterations, iteration)][example])
