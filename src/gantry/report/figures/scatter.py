"""Real points beside generated ones, over the iterations or at the end: BCGAN figures 3, 11 and 12."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gantry.errors import UserError
from gantry.plan.output_types.figures import ScatterOptions
from gantry.report.colours import COLOURS
from gantry.report.figures.captions import shown_runs
from gantry.report.figures.sheet import Sheet, new_sheet
from gantry.report.figures.style import DIVIDER, FAINT, INK, REAL, footer, label, no_ticks
from gantry.report.load import Loaded, LoadedGroup
from gantry.report.samples import nearest_index
from gantry.report.text import short
from gantry.report.titles import title_of

SIDE = 1.28  # inches of a panel
GAP = 0.07
LARGE = 1.9  # where there is a single row
# Dots, crosses and triangles tell the generators apart where colour does not.
POINT_MARKERS = ("o", "x", "^", "+")
SLICES = 4
POINT_SIZES = (3.0, 7.0, 7.0, 9.0)


@dataclass(frozen=True)
class Row:
    """A line of panels: its title, the group, and whether the generators are drawn as one."""

    title: str
    group: LoadedGroup
    union: bool


def draw(loaded: Loaded, options: ScatterOptions) -> Figure:
    """The real points at the left of a red dashed line, the methods' at its right."""
    spec = loaded.spec
    for group in loaded.groups:
        if "real" not in group.shown.samples:
            raise UserError(f"{spec.paper}/{spec.name}: type scatter draws 2-D points, not {group.group.key}")
    rows = _rows(loaded, options)
    ends = [int(iterations[-1]) for group in loaded.groups if len(iterations := _iterations(group))]
    last = max(ends, default=spec.iterations)
    columns = [] if options.last_only else [snapshot for snapshot in spec.snapshots if snapshot <= last]
    real = loaded.groups[0].shown.samples["real"]
    limit = 1.25 * float(np.abs(real).max())
    small_print = footer(
        spec,
        spec.groups[0].dataset_title,
        shown_runs(loaded),
        f"after {short(last)} iterations" if len(columns) < 2 else "",
        "equally many points in every panel",
    )
    if len(columns) > 1:
        sheet, beyond = _sheet(title_of(loaded), small_print, len(rows), len(columns), SIDE)
        panels = [line[1:] for line in sheet.panels]
        for row, line in zip(rows, panels, strict=True):
            for ax, iteration in zip(line, columns, strict=True):
                _points(ax, row, iteration, real, limit)
            line[0].set_ylabel(label(row.title), fontsize=8, color=INK)
        for ax, iteration in zip(panels[0], columns, strict=True):
            ax.set_title(f"{short(iteration)} iterations" if iteration == columns[0] else short(iteration))
    else:
        sheet, beyond = _sheet(title_of(loaded), small_print, 1, len(rows), LARGE)
        for ax, row in zip(sheet.panels[0][1:], rows, strict=True):
            _points(ax, row, last, real, limit)
            ax.set_title(label(row.title))
    _real(beyond, real, limit)
    _legend(sheet.figure, rows)
    return sheet.figure


def _iterations(group: LoadedGroup) -> np.ndarray:
    return group.shown.samples["iterations"]


def _rows(loaded: Loaded, options: ScatterOptions) -> list[Row]:
    rows = []
    for group in loaded.groups:
        rows.append(Row(group.group.recipe_title, group, union=False))
        if options.union and len(group.shown.generators) > 1:
            rows.append(Row(f"{group.group.recipe_title},\nmixture", group, union=True))
    return rows


def _sheet(title: str, small_print: str, rows: int, columns: int, side: float) -> tuple[Sheet, Axes]:
    """Square panels, all alike; the real data's, at half height, beyond a red dashed line."""
    beside = 0.62 if rows > 1 else 0.32
    sheet = new_sheet(
        title, small_print, side, [beside, *[GAP] * (columns - 1)], [GAP] * (rows - 1), head=0.75
    )
    real = sheet.panels[0][0]
    for line in sheet.panels[1:]:
        line[0].remove()
    box = real.get_position()
    lowest = sheet.panels[-1][1].get_position().y0
    real.set_position((box.x0, (box.y0 + lowest) / 2, box.width, box.height))
    width, height = sheet.figure.get_size_inches()
    x = (sheet.x[0] + side + 0.14) / width
    ends = [lowest, (sheet.y[0] + side + 0.25) / height]
    sheet.figure.add_artist(Line2D([x, x], ends, color=DIVIDER, linestyle="--", linewidth=1.2))
    return sheet, real


def _real(ax: Axes, real: np.ndarray, limit: float) -> None:
    ax.scatter(real[:, 0], real[:, 1], s=3, color=INK, linewidths=0)
    ax.set_title("real data")
    _frame(ax, limit)


def _frame(ax: Axes, limit: float) -> None:
    ax.set_xlim(-limit, limit)
    ax.set_ylim(-limit, limit)
    ax.set_aspect("equal")
    # Points become one picture per panel in SVG files, which stay small that way.
    ax.set_rasterization_zorder(2.5)
    no_ticks(ax)


def _points(ax: Axes, row: Row, iteration: int, real: np.ndarray, limit: float) -> None:
    """One panel: the generators' points over the real ones in light grey."""
    run = row.group.shown
    samples = run.samples
    _frame(ax, limit)
    if (run.diverged_at is not None and run.diverged_at <= iteration) or not len(samples["iterations"]):
        ax.text(0, 0, f"diverged\nat {short(run.diverged_at or 0)}", ha="center", va="center", color=FAINT)
        return
    index = nearest_index(samples["iterations"], iteration)
    ax.scatter(real[:, 0], real[:, 1], s=1.5, color=REAL, linewidths=0, zorder=1)
    share = len(samples["G1"][index]) // len(run.generators)
    # In slices, one generator after the other, so that none hides another.
    for start in range(SLICES):
        for k, name in enumerate(run.generators):
            points = samples[name][index][:share][start::SLICES]
            look = 0 if row.union else k % len(POINT_MARKERS)
            ax.scatter(
                points[:, 0],
                points[:, 1],
                s=POINT_SIZES[look],
                marker=POINT_MARKERS[look],
                color=INK if row.union else COLOURS[look],
                linewidths=0.6 if POINT_MARKERS[look] in "x+" else 0,
                alpha=0.85,
                zorder=2,
            )
    outside = sum(
        int((np.abs(samples[name][index][:share]) > limit).any(axis=1).sum()) for name in run.generators
    )
    if outside:
        box = {"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 0.8}
        small: dict[str, Any] = {"ha": "right", "fontsize": 5.5, "color": INK, "bbox": box, "zorder": 3}
        ax.text(0.985, 0.02, f"{outside} outside", transform=ax.transAxes, **small)


def _legend(figure: Figure, rows: list[Row]) -> None:
    most = max(len(row.group.shown.generators) for row in rows)
    looks = [(f"G{k + 1}", POINT_MARKERS[k % 4], COLOURS[k % 4]) for k in range(most)]
    looks += [("equal mixture", "o", INK)] if any(row.union for row in rows) else []
    looks += [("real", "o", REAL)]
    handles = [
        Line2D([], [], linestyle="", marker=marker, color=colour, markersize=4, label=title)
        for title, marker, colour in looks
    ]
    figure.legend(
        handles=handles,
        loc="upper right",
        bbox_to_anchor=(1, 1 - 0.22 / figure.get_figheight()),
        ncols=len(handles),
        handletextpad=0.1,
        columnspacing=1.2,
        borderpad=0.1,
    )
