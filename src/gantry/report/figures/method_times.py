"""A metric of many methods against the time that they train for: numbered dots, with a key beside them."""

from itertools import chain, product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from gantry.plan.output_types.figures import GroupedOptions
from gantry.report.cells import require_metrics
from gantry.report.colours import COLOURS
from gantry.report.costs import time_of
from gantry.report.figures.captions import metric_title, over_seeds
from gantry.report.figures.style import FAINT, INK, MARKERS, footer, label, new_figure, put_footer, put_head
from gantry.report.load import Loaded, LoadedGroup
from gantry.report.tables.scores import column_at
from gantry.report.titles import title_of

# Where a number may stand beside its dot, in points, the nearest places first.
ANGLES = np.linspace(0, 2 * np.pi, 16, endpoint=False)
PLACES = [
    (radius * np.cos(angle), radius * np.sin(angle)) for radius, angle in product((8, 13, 19, 26, 34), ANGLES)
]
HALF = (4.2, 3.8)  # half of a number's width and height in points
DOT = (2.6, 2.6)  # half of a dot's


def draw(loaded: Loaded, options: GroupedOptions) -> Figure:
    """the spec's first metric at the end of training over milliseconds an iteration, both means over seeds."""
    spec = loaded.spec
    require_metrics(spec, loaded.groups)
    metric = spec.metrics[0]
    by_recipe = {group.group.recipe: group for group in loaded.groups}
    recipes = list(chain(*options.groups.values()))
    figure = new_figure(8.2, max(4.6, 0.155 * (len(recipes) + len(options.groups)) + 1.2))
    ax, key = figure.subplots(1, 2, width_ratios=[2.6, 1])
    number = 0
    dots: list[tuple[int, float, float]] = []
    lines: list[tuple[str, str]] = []
    for look, (title, members) in enumerate(options.groups.items()):
        lines.append((label(title), COLOURS[look]))
        for recipe in members:
            number += 1
            group = by_recipe[recipe]
            milliseconds, value = _place(loaded, group, metric)
            known = not np.isnan(value) and not np.isnan(milliseconds)
            if known:
                ax.plot([milliseconds], [value], MARKERS[look], color=COLOURS[look], markersize=5, zorder=3)
                dots.append((number, milliseconds, value))
            lines.append(
                (f"{number}  {label(group.group.recipe_title)}{'' if known else ' (diverged)'}", INK)
            )
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("milliseconds of one iteration")
    ax.set_ylabel(metric_title(loaded, metric))
    ax.grid(which="both")
    ax.set_axisbelow(True)
    _key(key, lines)
    devices = ", ".join(
        dict.fromkeys(str(run.provenance.get("device", "?")) for g in loaded.groups for run in g.runs)
    )
    spread = over_seeds(loaded, "means over {seeds} seeds")
    put_footer(figure, footer(spec, spec.groups[0].dataset_title, spread, f"end of training, on {devices}"))
    put_head(figure, title_of(loaded))
    figure.canvas.draw()
    _number(ax, dots)
    return figure


def _place(loaded: Loaded, group: LoadedGroup, metric: str) -> tuple[float, float]:
    """(milliseconds of an iteration, the metric) of one method; NaN where no run reached its end."""
    if not group.complete:
        return np.nan, np.nan
    column = column_at(loaded, metric, "end", 0)
    times = [time_of(run) for run in group.complete]
    values = [column.value(loaded.spec, run, group.headline) for run in group.complete]
    return 1e3 * float(np.mean(times)), float(np.mean(values))


def _key(ax: Axes, lines: list[tuple[str, str]]) -> None:
    """What the numbers stand for, by groups in their colours."""
    ax.set_axis_off()
    for row, (text, colour) in enumerate(lines):
        is_head = colour != INK
        ax.text(
            0 if is_head else 0.04,
            1 - row / len(lines),
            text,
            transform=ax.transAxes,
            fontsize=6.8,
            color=colour,
            va="top",
            fontweight="bold" if is_head else "normal",
        )


def _number(ax: Axes, dots: list[tuple[int, float, float]]) -> None:
    """Write each dot's number at the nearest place that no other number and no dot takes."""
    scale = ax.figure.dpi / 72
    at = {number: ax.transData.transform((x, y)) / scale for number, x, y in dots}
    taken = [_box(place, DOT) for place in at.values()]
    for number, x, y in dots:
        boxes = {place: _box(at[number] + np.asarray(place), HALF) for place in PLACES}
        free = (place for place, box in boxes.items() if not any(map(box.overlaps, taken)))
        dx, dy = next(free, PLACES[0])
        taken.append(boxes[dx, dy])
        ax.annotate(
            str(number),
            (x, y),
            xytext=(dx, dy),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=6.5,
            color=INK,
            arrowprops={"arrowstyle": "-", "color": FAINT, "linewidth": 0.4, "shrinkA": 0, "shrinkB": 2},
        )


def _box(centre: np.ndarray, half: tuple[float, float]) -> Bbox:
    return Bbox.from_extents(*(centre - half), *(centre + half))
