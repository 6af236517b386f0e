"""A metric at one place of the curve, a dot for each setting, settings in groups: EDGAN figure 5."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gantry.plan.output_types.figures import DotsOptions
from gantry.report.cells import require_metrics
from gantry.report.colours import COLOURS
from gantry.report.figures.captions import metric_title, over_seeds
from gantry.report.figures.style import MARKERS, footer, label, new_figure, put_footer, put_head
from gantry.report.load import Loaded, LoadedGroup
from gantry.report.tables.scores import Column, column_at
from gantry.report.titles import title_of


def draw(loaded: Loaded, options: DotsOptions) -> Figure:
    """A panel per metric: settings along x, every seed a faint dot, mean and deviation over them a strong one."""
    spec = loaded.spec
    require_metrics(spec, loaded.groups)
    figure = new_figure(1.4 + 0.62 * len(loaded.groups), 2.5 * len(spec.metrics) + 1.2)
    axes = figure.subplots(len(spec.metrics), 1, squeeze=False)[:, 0]
    place = ""
    for ax, metric in zip(axes, spec.metrics, strict=True):
        column = column_at(loaded, metric, options.at, options.skip)
        place = f"at {column.title}" if column.iteration is not None else column.title
        _panel(ax, loaded, options, column)
        ax.set_title(f"{spec.groups[0].dataset_title} · {metric_title(loaded, metric)}", loc="left")
    handles, texts = axes[0].get_legend_handles_labels()
    spread = over_seeds(loaded, "mean ± 1 sd over {seeds} seeds, each seed faint")
    put_footer(figure, footer(spec, spread, place))
    put_head(figure, title_of(loaded), handles, texts)
    return figure


def _panel(ax: Axes, loaded: Loaded, options: DotsOptions, column: Column) -> None:
    by_recipe = {group.group.recipe: group for group in loaded.groups}
    ordered = [(look, recipe) for look, recipes in enumerate(options.groups.values()) for recipe in recipes]
    for x, (look, recipe) in enumerate(ordered):
        group = by_recipe[recipe]
        values = _values(loaded, group, column)
        first = x == next(i for i, (other, _) in enumerate(ordered) if other == look)
        ax.plot(np.full(len(values), x), values, ".", color=COLOURS[look], alpha=0.35, zorder=2)
        ax.errorbar(
            [x],
            [np.mean(values) if len(values) else np.nan],
            yerr=[np.std(values, ddof=1)] if len(values) > 1 else None,
            fmt=MARKERS[look],
            color=COLOURS[look],
            markersize=6,
            capsize=2.5,
            zorder=3,
            label=list(options.groups)[look] if first else None,
        )
    labels = [label(by_recipe[recipe].group.recipe_title) for _, recipe in ordered]
    ax.set_xticks(range(len(ordered)), labels, rotation=40, ha="right")
    ax.set_xlim(-0.6, len(ordered) - 0.4)
    ax.grid(axis="y")
    ax.set_axisbelow(True)


def _values(loaded: Loaded, group: LoadedGroup, column: Column) -> np.ndarray:
    """One number for each run that reached its end."""
    found = [column.value(loaded.spec, run, group.headline) for run in group.complete]
    return np.asarray([value for value in found if not np.isnan(value)])
