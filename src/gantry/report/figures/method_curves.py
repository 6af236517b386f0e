"""A metric of many methods over the iterations: a panel a group, every other method behind it in grey."""

from itertools import chain

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gantry.plan.output_types.figures import GroupedOptions
from gantry.report.cells import require_metrics, series
from gantry.report.colours import COLOURS
from gantry.report.figures.captions import metric_title, over_seeds
from gantry.report.figures.style import (
    MARKERS,
    REAL,
    footer,
    label,
    new_figure,
    put_footer,
    put_head,
    thousands,
)
from gantry.report.load import Loaded, LoadedGroup
from gantry.report.titles import title_of

COLUMNS = 2
SIZE = (3.9, 2.3)  # inches of a panel, with its legend


def draw(loaded: Loaded, options: GroupedOptions) -> Figure:
    """the spec's first metric: means over the runs that reached their end."""
    spec = loaded.spec
    require_metrics(spec, loaded.groups)
    metric = spec.metrics[0]
    means = {group.group.recipe: _mean(group, metric) for group in loaded.groups}
    labels = {group.group.recipe: group.group.recipe_title for group in loaded.groups}
    rows = -(-len(options.groups) // COLUMNS)
    figure = new_figure(SIZE[0] * COLUMNS, SIZE[1] * rows + 0.9)
    axes = figure.subplots(rows, COLUMNS, squeeze=False, sharex=True, sharey=True)
    panels = list(chain(*axes))
    for ax, (title, recipes) in zip(panels, options.groups.items(), strict=False):
        _panel(ax, means, labels, recipes)
        ax.set_title(label(title), loc="left")
    for ax in panels[len(options.groups) :]:
        ax.remove()
    for line in axes:
        line[0].set_ylabel(metric_title(loaded, metric))
    for ax in axes[-1]:
        ax.set_xlabel("iterations")
    spread = over_seeds(loaded, "mean over {seeds} seeds")
    put_footer(figure, footer(spec, spec.groups[0].dataset_title, spread, "grey: the other panels' methods"))
    put_head(figure, title_of(loaded))
    return figure


def _mean(group: LoadedGroup, metric: str) -> pd.Series:
    table = pd.DataFrame({run.seed: series(run, metric, group.headline) for run in group.complete})
    return table.sort_index().mean(axis=1)


def _panel(ax: Axes, means: dict[str, pd.Series], labels: dict[str, str], recipes: tuple[str, ...]) -> None:
    for recipe, mean in means.items():
        if recipe not in recipes:
            ax.plot(mean.index, mean, color=REAL, linewidth=0.5, alpha=0.6, zorder=1)
    for look, recipe in enumerate(recipes):
        again, colour = divmod(look, len(COLOURS))
        mean = means[recipe]
        ax.plot(
            mean.index,
            mean,
            color=COLOURS[colour],
            linestyle=("-", "--")[again % 2],
            marker=MARKERS[colour],
            markersize=3,
            linewidth=1.3,
            zorder=3,
            label=label(labels[recipe]) + ("" if len(mean) else " (diverged)"),
        )
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02), fontsize=6.5, handlelength=2.2, labelspacing=0.25)
    ax.grid(axis="y")
    ax.set_axisbelow(True)
    thousands(ax)
