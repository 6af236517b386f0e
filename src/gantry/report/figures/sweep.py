"""Metrics over a setting: truncation, a factor of z, or ψ of one run's samples, or a number that recipes differ in."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gantry.errors import UserError
from gantry.metrics import names
from gantry.plan.output_types.figures import SweepOptions
from gantry.report.cells import require_metrics, series
from gantry.report.colours import COLOURS
from gantry.report.figures.captions import metric_title, over_seeds
from gantry.report.figures.style import (
    LINES,
    MARKERS,
    REAL,
    footer,
    label,
    new_figure,
    put_footer,
    put_head,
)
from gantry.report.load import Loaded, LoadedGroup
from gantry.report.specs import CHANGED
from gantry.report.tables.scores import column_at
from gantry.report.titles import title_of

# What the setting is called along the axis, and what is said of it below.
AXES = {names.TRUNCATION: "truncation τ", names.SCALED: "factor of z", names.PSI: "ψ"}
TOLD = {
    names.TRUNCATION: "samples of one trained run at each τ: numbers of z beyond ±τ are drawn anew (none: as trained); "
    "BatchNorm has standing statistics where the recipe asks for them, else those of training",
    names.SCALED: "samples of one trained run at each factor of z, a normal cut at ±2 (none: as trained, uncut); "
    "BatchNorm has standing statistics where the recipe asks for them, else those of training",
    names.PSI: "samples of one trained run at each ψ: w is drawn towards its mean in all layers; ψ = 1 changes nothing",
}
# What a run's own samples are at.
OWN = {names.TRUNCATION: np.inf, names.SCALED: np.inf, names.PSI: 1.0}


@dataclass(frozen=True)
class Line:
    """One line, by value: a group and the source of its samples; of recipes some may have the same value."""

    name: str
    points: list[tuple[float, LoadedGroup, str]]


def draw(loaded: Loaded, options: SweepOptions) -> Figure:
    """A panel a metric and data set: mean ± sd over the seeds at each value, every seed faint."""
    spec = loaded.spec
    require_metrics(spec, loaded.groups)
    datasets = list(dict.fromkeys(group.dataset_title for group in spec.groups))
    against = options.against if _measured(loaded, options.against) else None
    metrics = [metric for metric in spec.metrics if metric != against]
    figure = new_figure(max(4.2, 2.9 * len(metrics) + 0.6), 2.5 * len(datasets) + 1.3)
    panels = figure.subplots(len(datasets), len(metrics), squeeze=False)
    for dataset, axes in zip(datasets, panels, strict=True):
        groups = loaded.groups_on(dataset)
        lines = _lines(loaded, groups, options)
        for ax, metric in zip(axes, metrics, strict=True):
            title = metric_title(loaded, metric)
            ax.set_title(label(f"{dataset} · {title}" if len(datasets) > 1 else title), loc="left")
            _panel(ax, loaded, groups, lines, metric, against, options)
            axis = metric_title(loaded, against) if against else AXES.get(options.setting or "", options.x)
            ax.set_xlabel(label(axis))
    named = [ax.get_legend_handles_labels() for ax in panels.flat]
    legend = {text: handle for handles, texts in named for handle, text in zip(handles, texts, strict=True)}
    told = TOLD.get(options.setting or "", "")
    on = "" if len(datasets) > 1 else datasets[0]
    spread = over_seeds(loaded, "mean ± 1 sd over {seeds} seeds, each seed faint")
    put_footer(figure, footer(spec, on, spread, told))
    put_head(figure, title_of(loaded), list(legend.values()), list(legend))
    return figure


def _measured(loaded: Loaded, metric: str | None) -> bool:
    """Whether a scale measures the metric in every run."""
    return metric is not None and all(
        (run.metrics["metric"] == metric).any() for group in loaded.groups for run in group.complete
    )


def _lines(loaded: Loaded, groups: Sequence[LoadedGroup], options: SweepOptions) -> list[Line]:
    """The lines of one data set: of each recipe over its sources, or as the options have recipes."""
    if options.setting is None:
        by_recipe = {group.group.recipe: group for group in groups}
        return [
            Line(name, sorted(map(_own_point, map(by_recipe.__getitem__, line)), key=lambda point: point[0]))
            for name, line in options.lines.items()
            if all(recipe in by_recipe for recipe in line)
        ]
    return [
        Line(
            group.group.recipe_title,
            swept(loaded, group, options.setting),
        )
        for group in groups
        if group.complete
    ]


def _own_point(group: LoadedGroup) -> tuple[float, LoadedGroup, str]:
    """A run's own samples, at the number that its recipe has."""
    value = group.group.value
    assert value is not None, f"{group.group.key}: the plan gives every recipe of a line its number"
    return value, group, group.headline


def swept(loaded: Loaded, group: LoadedGroup, setting: str) -> list[tuple[float, LoadedGroup, str]]:
    """The sources of a group by the value of the setting, its own samples among them; UserError where none are."""
    found = {
        source
        for run in group.complete
        for source in run.metrics["sampled_from"]
        if source.startswith(f"{setting} ")
    }
    if not found:
        spec = loaded.spec
        raise UserError(
            f"{spec.paper}/{spec.name}: no samples at another {setting} among the scores of {group.group.key}: the "
            f"workload's sweep has them scored; add {setting} there"
        )
    values = {OWN[setting]: group.headline} | {
        float(source.removeprefix(setting)): source for source in found
    }
    return [(value, group, source) for value, source in sorted(values.items())]


def _panel(
    ax: Axes,
    loaded: Loaded,
    groups: Sequence[LoadedGroup],
    lines: Sequence[Line],
    metric: str,
    against: str | None,
    options: SweepOptions,
) -> None:
    values = sorted({value for line in lines for value, _, _ in line.points})
    for look, line in enumerate(lines):
        ys = [_numbers(loaded, group, source, metric, options) for _, group, source in line.points]
        if against:
            xs = [_numbers(loaded, group, source, against, options) for _, group, source in line.points]
        else:
            xs = [
                {seed: float(values.index(value)) for seed in y}
                for (value, _, _), y in zip(line.points, ys, strict=True)
            ]
        _draw(ax, look, line, xs, ys, named=against is not None)
    if not against:
        ax.set_xticks(range(len(values)), [_told(value) for value in values])
    real = [
        value for group in groups for run in group.complete if len(value := series(run, metric, names.REAL))
    ]
    if real:
        level = float(np.mean([curve.iloc[-1] for curve in real]))
        ax.axhline(level, color=REAL, linestyle="--", linewidth=1.0, zorder=1, label="real, unseen")
    ax.margins(0.1, 0.12)
    ax.grid()
    ax.set_axisbelow(True)


def _draw(
    ax: Axes,
    look: int,
    line: Line,
    xs: Sequence[dict[int, float]],
    ys: Sequence[dict[int, float]],
    *,
    named: bool,
) -> None:
    """One line through the means, and the seeds' own points."""
    colour, marker = COLOURS[look % len(COLOURS)], MARKERS[look % len(MARKERS)]
    for x, y in zip(xs, ys, strict=True):
        both = [seed for seed in y if seed in x]
        if len(both) > 1:
            ax.plot([x[s] for s in both], [y[s] for s in both], ".", color=colour, alpha=0.3, zorder=2)
    (mean_x, sideways), (mean_y, spread) = _summaries(xs), _summaries(ys)
    # A line of several recipes has one name for all of them.
    told_apart = [
        bool(group.group.recipe_changes) and line.name != group.group.recipe_title
        for _, group, _ in line.points
    ]
    all_changed = all(told_apart)
    ax.errorbar(
        mean_x,
        mean_y,
        yerr=spread if spread.any() else None,
        xerr=sideways if named and sideways.any() else None,
        linestyle=LINES[look % len(LINES)],
        marker=marker,
        markersize=4.5,
        capsize=2.0,
        elinewidth=0.8,
        color=colour,
        zorder=3,
        label=f"{line.name} {CHANGED}" if all_changed else line.name,
    )
    # Above and below in turn, since neighbours may lie close.
    values = [value for value, _, _ in line.points]
    for place, (value, apart, x, y) in enumerate(zip(values, told_apart, mean_x, mean_y, strict=True)):
        if told := " ".join(filter(None, (_told(value) * named, CHANGED * (apart and not all_changed)))):
            off = (4, -10 if place % 2 else 4)
            ax.annotate(told, (x, y), xytext=off, textcoords="offset points", fontsize=7, color=colour)


def _summaries(found: Sequence[dict[int, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Means over the seeds, NaN where there are none, and deviations, 0 of one seed."""
    numbers = [np.asarray([*by_seed.values()]) for by_seed in found]
    means = np.asarray([values.mean() if len(values) else np.nan for values in numbers])
    return means, np.asarray([values.std(ddof=1) if len(values) > 1 else 0.0 for values in numbers])


def _told(value: float) -> str:
    return "none" if np.isinf(value) else f"{value:g}"


def _numbers(
    loaded: Loaded, group: LoadedGroup, source: str, metric: str, options: SweepOptions
) -> dict[int, float]:
    """A metric's number by seed, of the runs that reached their end."""
    column = column_at(loaded, metric, "end" if options.setting else options.at, options.skip)
    found = {run.seed: column.value(loaded.spec, run, source) for run in group.complete}
    return {seed: value for seed, value in found.items() if not np.isnan(value)}
