"""A metric of many methods, a line for each, methods in groups of one colour."""

from itertools import chain

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gantry.plan.output_types.figures import GroupedOptions
from gantry.report.cells import require_metrics
from gantry.report.colours import COLOURS
from gantry.report.figures.captions import metric_title, over_seeds
from gantry.report.figures.style import FAINT, MARKERS, footer, label, new_figure, put_footer, put_head
from gantry.report.load import Loaded, LoadedGroup
from gantry.report.tables.scores import Column, column_at
from gantry.report.titles import title_of

LINE = 0.19  # inches of a method


def draw(loaded: Loaded, options: GroupedOptions) -> Figure:
    """A panel per metric, side by side: every seed a faint dot, the mean over them a strong one."""
    spec = loaded.spec
    require_metrics(spec, loaded.groups)
    by_recipe = {group.group.recipe: group for group in loaded.groups}
    recipes = list(chain(*options.groups.values()))
    figure = new_figure(2.6 + 2.6 * len(spec.metrics), LINE * len(recipes) + 1.6)
    axes = figure.subplots(1, len(spec.metrics), squeeze=False, sharey=True)[0]
    for ax, metric in zip(axes, spec.metrics, strict=True):
        column = column_at(loaded, metric, "end", 0)
        start = 0
        for look, members in enumerate(options.groups.values()):
            for y, recipe in enumerate(members, start):
                _line(ax, loaded, by_recipe[recipe], column, y, look)
            start += len(members)
            ax.axhline(start - 0.5, color="#cccccc", linewidth=0.6, zorder=0)
        ax.set_title(metric_title(loaded, metric), loc="left")
        ax.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
        ax.grid(axis="x")
        ax.set_axisbelow(True)
    axes[0].set_yticks(
        range(len(recipes)), [label(by_recipe[recipe].group.recipe_title) for recipe in recipes]
    )
    axes[0].set_ylim(len(recipes) - 0.5, -0.5)
    handles = [
        axes[0].plot([], [], MARKERS[look], color=COLOURS[look])[0] for look in range(len(options.groups))
    ]
    spread = over_seeds(loaded, "mean over {seeds} seeds, each seed faint")
    put_footer(figure, footer(spec, spec.groups[0].dataset_title, "end of training", spread))
    put_head(figure, title_of(loaded), handles, list(options.groups))
    return figure


def _line(ax: Axes, loaded: Loaded, group: LoadedGroup, column: Column, y: int, look: int) -> None:
    values = [column.value(loaded.spec, run, group.headline) for run in group.complete]
    if not values:
        ax.text(
            0.02, y, "diverged", transform=ax.get_yaxis_transform(), va="center", fontsize=6.5, color=FAINT
        )
        return
    ax.plot(values, np.full(len(values), y), ".", color=COLOURS[look], alpha=0.35, zorder=2)
    ax.plot([np.nanmean(values)], [y], MARKERS[look], color=COLOURS[look], markersize=5, zorder=3)
