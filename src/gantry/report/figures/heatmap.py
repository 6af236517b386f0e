"""A metric over two settings at once, a cell for each pair: the sweep over BCGAN's two weights."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gantry.metrics import names
from gantry.plan.output_types.figures import HeatmapOptions
from gantry.report.cells import mean_sd, require_metrics
from gantry.report.figures.captions import metric_title, over_seeds
from gantry.report.figures.style import FAINT, INK, footer, label, new_figure, put_footer, put_head
from gantry.report.layout import decimals, number
from gantry.report.load import Loaded, LoadedGroup
from gantry.report.specs import CHANGED
from gantry.report.tables.scores import Column, column_at
from gantry.report.titles import title_of

# Lighter is better, in colour and in grey; a metric that prefers a middle value has no better end.
COLOUR_MAPS = {"lower": "viridis_r", "higher": "viridis", "half": "viridis", "one": "viridis"}
DARK = 0.55  # below this lightness the text of a cell is white


class Result(NamedTuple):
    """Mean and deviation over seeds, what to write where there is no mean, and what to write below either."""

    mean: float
    sd: float
    text: str
    mark: str = ""


def draw(loaded: Loaded, options: HeatmapOptions) -> Figure:
    """A row of panels per data set, a panel per metric; in each cell mean ± sd over the seeds."""
    spec = loaded.spec
    require_metrics(spec, loaded.groups)
    datasets = list(dict.fromkeys(group.dataset_title for group in spec.groups))
    rows, columns = len(datasets), len(spec.metrics)
    wide, high = len(options.x_values), len(options.y_values)
    figure = new_figure(max(4.6, columns * (1.0 * wide + 0.9)), rows * (0.55 * high + 0.75) + 0.75)
    axes = figure.subplots(rows, columns, squeeze=False)
    for dataset, line in zip(datasets, axes, strict=True):
        groups = {found.group.recipe: found for found in loaded.groups_on(dataset)}
        for metric, ax in zip(spec.metrics, line, strict=True):
            column = column_at(loaded, metric, options.at, options.skip)
            ax.set_title(f"{dataset} · {metric_title(loaded, metric)}, {column.title}", loc="left")
            _panel(ax, loaded, groups, column, options)
    spread = over_seeds(loaded, "mean ± sd over {seeds} seeds")
    mixture = any(group.headline == "mixture" for group in loaded.groups)
    light = "lighter is better"
    put_footer(figure, footer(spec, spread, light, "samples: the equal mixture of the generators" * mixture))
    put_head(figure, title_of(loaded))
    return figure


def _panel(
    ax: Axes, loaded: Loaded, groups: dict[str, LoadedGroup], column: Column, options: HeatmapOptions
) -> None:
    results = [
        [
            result_of(loaded, groups[recipe], column, groups[recipe].headline)._replace(
                mark=CHANGED * bool(groups[recipe].group.recipe_changes)
            )
            for recipe in row
        ]
        for row in options.cells
    ]
    draw_cells(ax, results, column.metric, "lower")
    for axis, title, values in (
        (ax.xaxis, options.x, options.x_values),
        (ax.yaxis, options.y, options.y_values),
    ):
        axis.set_label_text(label(title))
        axis.set_ticks(
            range(len(values)), [f"{value:g}" if isinstance(value, float) else value for value in values]
        )


def draw_cells(
    ax: Axes, results: Sequence[Sequence[Result]], metric: str, origin: Literal["upper", "lower"]
) -> None:
    """Draw a coloured cell for each result, with its numbers in it; the first row is the `origin` one."""
    means = np.asarray([[result.mean for result in row] for row in results])
    colours = COLOUR_MAPS[names.metric(metric).direction]
    image = ax.imshow(np.ma.masked_invalid(means), cmap=colours, aspect="auto", origin=origin)
    shades = np.asarray(image.cmap(image.norm(means)))
    places = decimals(means)
    for y, row in enumerate(results):
        for x, (mean, sd, text, mark) in enumerate(row):
            if not text:
                text = number(mean, places) + ("" if np.isnan(sd) else f"\n± {number(sd, places)}")
                red, green, blue, _ = shades[y, x]
                dark = 0.299 * red + 0.587 * green + 0.114 * blue < DARK
                colour = "white" if dark else INK
            else:
                colour = FAINT
            told = "\n".join(filter(None, (text, mark)))
            ax.text(x, y, told, ha="center", va="center", fontsize=7.5, color=colour)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)


def result_of(loaded: Loaded, group: LoadedGroup, column: Column, source: str) -> Result:
    """Return what the seeds of a group say of a source."""
    mean, sd, n = mean_sd([column.value(loaded.spec, run, source) for run in group.complete])
    nothing = f"diverged\n({group.lost} of {len(group.runs)})" if group.lost else "–"
    return Result(mean, sd, "" if n else nothing)
