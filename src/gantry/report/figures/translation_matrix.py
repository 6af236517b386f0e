"""A metric of the translations between any two of several domains: a row where they begin, a column where they end."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gantry.errors import UserError
from gantry.plan.output_types.figures import TranslationMatrixOptions
from gantry.report.cells import require_metrics
from gantry.report.figures.captions import metric_title, over_seeds
from gantry.report.figures.heatmap import Result, draw_cells, result_of
from gantry.report.figures.style import footer, label, new_figure, put_footer, put_head
from gantry.report.load import Loaded, LoadedGroup
from gantry.report.tables.scores import Column, column_at
from gantry.report.titles import title_of

NOWHERE = Result(np.nan, np.nan, "·")  # from a domain into itself


def draw(loaded: Loaded, options: TranslationMatrixOptions) -> Figure:
    """A row of panels for each method and data set, a panel for each metric; in each cell mean ± sd over the seeds."""
    spec = loaded.spec
    require_metrics(spec, loaded.groups)
    domains = [domains_of(loaded, group) for group in loaded.groups]
    size, several = max(map(len, domains)), len(loaded.dataset_titles) > 1
    rows, columns = len(loaded.groups), len(spec.metrics)
    figure = new_figure(max(4.6, columns * (0.75 * size + 1.2)), rows * (0.5 * size + 0.95) + 0.75)
    axes = figure.subplots(rows, columns, squeeze=False)
    for group, names, line in zip(loaded.groups, domains, axes, strict=True):
        for metric, ax in zip(spec.metrics, line, strict=True):
            column = column_at(loaded, metric, options.at, options.skip)
            told = [group.group.recipe_title, *([group.group.dataset_title] if several else [])]
            ax.set_title(
                label(f"{', '.join(told)} · {metric_title(loaded, metric)}, {column.title}"), loc="left"
            )
            _panel(ax, loaded, group, column, names)
    spread = over_seeds(loaded, "mean ± sd over {seeds} seeds")
    put_footer(
        figure, footer(spec, spread, "lighter is better", "a row: from this domain; a column: into this one")
    )
    put_head(figure, title_of(loaded))
    return figure


def domains_of(loaded: Loaded, group: LoadedGroup) -> list[str]:
    """Return the domains between which a group translates; UserError where some of the ways are not scored."""
    ways = [source.split("→") for source in group.sources if source.count("→") == 1 and " " not in source]
    names = list(dict.fromkeys(start for start, _ in ways))
    if len(names) < 2 or len(ways) != len(names) * (len(names) - 1):
        spec = loaded.spec
        raise UserError(
            f"{spec.paper}/{spec.name}: type {spec.type} shows translators between any two of several domains (method "
            f"combogan), not {group.group.key}"
        )
    return names


def _panel(ax: Axes, loaded: Loaded, group: LoadedGroup, column: Column, names: list[str]) -> None:
    results = [
        [NOWHERE if i == j else result_of(loaded, group, column, f"{i}→{j}") for j in names] for i in names
    ]
    draw_cells(ax, results, column.metric, "upper")
    for axis, title in ((ax.xaxis, "into"), (ax.yaxis, "from")):
        axis.set_label_text(title)
        axis.set_ticks(range(len(names)), [label(name) for name in names])
