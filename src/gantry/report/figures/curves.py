"""Metrics over the iterations, a band over seeds, the tail enlarged: BCGAN figures 5 to 8 and 10."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gantry.plan.output_types.figures import CurvesOptions
from gantry.report.cells import require_metrics, series
from gantry.report.colours import COLOURS, shifted
from gantry.report.figures.captions import metric_title, over_seeds
from gantry.report.figures.style import (
    LINES,
    MARKERS,
    footer,
    in_lines,
    new_figure,
    put_footer,
    put_head,
    thousands,
)
from gantry.report.load import Loaded, LoadedGroup
from gantry.report.titles import title_of

MARK = "#1b8a5a"
# Inches, by the number of columns; and how many metrics may stand side by side.
WIDTHS = {1: 5.2, 2: 7.6, 3: 10.2}
BESIDE = (2, 3)


@dataclass(frozen=True)
class Curve:
    """A metric of one recipe: mean and deviation over the runs that reached their end, and the others alone.

    `table` has a row per checkpoint and a column per run; `broken` are the diverged runs.
    """

    group: LoadedGroup
    table: pd.DataFrame
    broken: tuple[pd.Series, ...]


def draw(loaded: Loaded, options: CurvesOptions) -> Figure:
    """A row of panels per data set and metric: the whole training, and the tail enlarged.

    Without a tail the metrics of a data set stand side by side, if they are few.
    """
    spec = loaded.spec
    require_metrics(spec, loaded.groups)
    datasets = dict.fromkeys(group.dataset_title for group in spec.groups)
    rows = [(dataset, metric) for dataset in datasets for metric in spec.metrics]
    labels = list(dict.fromkeys(group.recipe_title for group in spec.groups))
    usual = spec.usual_iterations or spec.iterations
    mark = usual if options.mark and usual < spec.iterations else None
    tail = _tail_length(loaded, options)
    beside = len(spec.metrics) if not tail and len(spec.metrics) in BESIDE else 1
    columns = 2 if tail else beside
    figure = new_figure(WIDTHS[columns], 2.1 * len(rows) / beside + 1.1)
    ratios = [1.7, 1] if tail else [1] * columns
    axes = figure.subplots(len(rows) // beside, columns, squeeze=False, width_ratios=ratios)
    for (dataset, metric), panels in zip(rows, axes if tail else axes.reshape(-1, 1), strict=True):
        groups = loaded.groups_on(dataset)
        curves = [_curve(group, metric) for group in groups]
        start = _tail_start(curves, tail)
        _whole(panels[0], curves, labels, mark)
        width = WIDTHS[columns] * ratios[0] / sum(ratios) - 0.5
        panels[0].set_title(_title(dataset, metric_title(loaded, metric), width), loc="left")
        if tail:
            panels[0].axvspan(start, _last(curves), color="#f1f1f1", zorder=0, linewidth=0)
            _tail(panels[1], curves, labels, start, mark)
            panels[1].set_title(f"its last {tail} checkpoints", loc="left", color="#555555")
    for ax in axes[-1]:
        ax.set_xlabel("iterations")
    handles, texts = axes[0][0].get_legend_handles_labels()
    titles = [text + _diverged(loaded, text) for text in texts]
    band = over_seeds(loaded, "mean and band of ± 1 sd over {seeds} seeds")
    broken = any(run.diverged and len(run.metrics) for group in loaded.groups for run in group.runs)
    mixture = "several generators: their equal mixture" if _has_mixture(loaded) else ""
    marked = f"green line: {mark:,} iterations, where the tables stand" if mark else ""
    put_footer(figure, footer(spec, band, mixture, marked, "× a run diverged, drawn alone" if broken else ""))
    put_head(figure, title_of(loaded), handles, titles)
    return figure


def _title(dataset: str, metric: str, width: float) -> str:
    """What a panel shows: in one line if it fits `width` inches, else the metric in a line of its own."""
    whole = f"{dataset} · {metric}"
    return whole if in_lines(whole, width) == whole else f"{in_lines(dataset, width)}\n{metric}"


def _diverged(loaded: Loaded, recipe_title: str) -> str:
    """How many runs of a recipe diverged, for the legend."""
    groups = [group for group in loaded.groups if group.group.recipe_title == recipe_title]
    total = sum(len(group.runs) for group in groups)
    diverged = sum(group.lost for group in groups)
    return f" ({diverged} of {total} diverged)" if diverged else ""


def _has_mixture(loaded: Loaded) -> bool:
    return any(group.headline == "mixture" for group in loaded.groups)


def _curve(group: LoadedGroup, metric: str) -> Curve:
    source = group.headline
    table = pd.DataFrame({run.seed: series(run, metric, source) for run in group.complete})
    broken = tuple(series(run, metric, source) for run in group.runs if run.diverged)
    return Curve(group, table.sort_index(), broken)


def _tail_length(loaded: Loaded, options: CurvesOptions) -> int:
    """How many checkpoints the tail has: as asked for, and of a short run at most its second half."""
    longest = max((run.metrics["iteration"].nunique() for g in loaded.groups for run in g.runs), default=0)
    return min(options.tail_checkpoints, max(longest // 2, 2))


def _tail_start(curves: list[Curve], checkpoints: int) -> float:
    iterations = sorted({int(i) for curve in curves for i in curve.table.index})
    return float(iterations[-checkpoints:][0]) if iterations and checkpoints else 0.0


def _last(curves: list[Curve]) -> float:
    return float(max((curve.table.index.max() for curve in curves if len(curve.table)), default=0))


def _whole(ax: Axes, curves: list[Curve], labels: list[str], mark: int | None) -> None:
    for curve in curves:
        look = labels.index(curve.group.group.recipe_title)
        _line(ax, curve, look, curve.table)
        for broken in curve.broken:
            _broken(ax, broken, look)
    if mark:
        ax.axvline(mark, color=MARK, linestyle="--", linewidth=1)
    ax.grid(axis="y")
    ax.set_axisbelow(True)
    ax.set_xlim(0, 1.02 * _last(curves) or None)
    thousands(ax)
    ax.ticklabel_format(axis="y", useOffset=False)


def _tail(ax: Axes, curves: list[Curve], labels: list[str], start: float, mark: int | None) -> None:
    for curve in curves:
        look = labels.index(curve.group.group.recipe_title)
        _line(ax, curve, look, curve.table[curve.table.index >= start])
    if mark and mark > start:
        ax.axvline(mark, color=MARK, linestyle="--", linewidth=1)
    ax.grid(axis="y")
    ax.set_axisbelow(True)
    ax.set_facecolor("#fafafa")
    thousands(ax)
    ax.ticklabel_format(axis="y", useOffset=False)


def _line(ax: Axes, curve: Curve, look: int, table: pd.DataFrame) -> None:
    """The mean over seeds with markers (few, so that they stay apart) and the band."""
    style: dict[str, Any] = {
        "color": COLOURS[look % len(COLOURS)],
        "linestyle": LINES[shifted(look, len(LINES))],
        "marker": MARKERS[shifted(look, len(MARKERS))],
        "markersize": 3.8,
        "markevery": max(1, len(table) // 8),
    }
    if not len(table):
        ax.plot([], [], label=curve.group.group.recipe_title, **style)
        return
    mean = table.mean(axis=1)
    ax.plot(table.index, mean, label=curve.group.group.recipe_title, zorder=3, **style)
    if table.shape[1] > 1:
        sd = table.std(axis=1, ddof=1)
        ax.fill_between(
            table.index, mean - sd, mean + sd, color=style["color"], alpha=0.16, linewidth=0, zorder=2
        )


def _broken(ax: Axes, values: pd.Series, look: int) -> None:
    """A run that diverged: thin, with a cross where it stopped."""
    if len(values):
        colour, dashes = COLOURS[look % len(COLOURS)], LINES[shifted(look, len(LINES))]
        ax.plot(values.index, values, color=colour, linestyle=dashes, linewidth=0.8, zorder=2)
        ax.plot(values.index[-1:], np.asarray(values)[-1:], marker="x", color=colour, markersize=6, zorder=4)
