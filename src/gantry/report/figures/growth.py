"""How networks grew, over the images that they were shown: size, α, losses, and the time of an iteration."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from gantry.errors import UserError
from gantry.plan.output_types.figures import GrowthOptions
from gantry.report.colours import COLOURS
from gantry.report.figures.style import (
    FAINT,
    footer,
    label,
    new_figure,
    put_footer,
    put_head,
    thousands,
)
from gantry.report.load import Loaded, LoadedGroup
from gantry.report.titles import title_of

ROWS = ("pixels a side", "loss", "ms an iteration")
NAMES = {"loss_d": "D", "loss_g": "G"}


def draw(loaded: Loaded, options: GrowthOptions) -> Figure:
    """A column a recipe, of its lowest seed that reached its end; in a fade the line rises as α does."""
    groups = loaded.groups
    figure = new_figure(3.6 * len(groups) + 0.8, 5.4)
    axes = figure.subplots(3, len(groups), squeeze=False, sharex="all", sharey="row")
    for column, group in enumerate(groups):
        _column(axes[:, column], group)
        axes[0, column].set_title(label(group.group.recipe_title), loc="left")
        axes[-1, column].set_xlabel("images shown")
    for ax, name in zip(axes[:, 0], ROWS, strict=True):
        ax.set_ylabel(name)
    handles, texts = axes[1, 0].get_legend_handles_labels()
    put_footer(
        figure, footer(loaded.spec, loaded.spec.groups[0].dataset_title, "shaded: a new level fades in")
    )
    put_head(figure, title_of(loaded), handles, texts)
    return figure


def _column(axes: np.ndarray, group: LoadedGroup) -> None:
    told = group.shown.provenance
    if "stages" not in told:
        raise UserError(
            f"{group.shown.key}: its record tells of no stages: a figure of type growth is of method growing"
        )
    stages, history, end = told["stages"], told["history"], group.shown.iterations
    xs, heights = sizes_over_images(stages, end)
    axes[0].plot(xs, heights, color=COLOURS[0])
    axes[0].set_yscale("log", base=2)
    axes[0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes[0].yaxis.set_minor_locator(NullLocator())
    images = images_shown(stages, np.asarray(history["iteration"]))
    losses = [name for name in history if name.startswith("loss_")]
    for colour, name in zip(COLOURS, losses, strict=False):
        axes[1].plot(images, history[name], color=colour, label=NAMES.get(name, name.removeprefix("loss_")))
    milliseconds = 1e3 / np.asarray(history["iterations_per_second"])
    axes[2].plot(images, milliseconds, drawstyle="steps-pre", color=COLOURS[2])
    axes[2].set_yscale("log")
    axes[2].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes[2].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes[2].yaxis.set_minor_formatter(NullFormatter())
    for ax in axes:
        _shade(ax, stages, end)
        ax.grid(axis="y")
        ax.set_axisbelow(True)
    thousands(axes[2])


def images_shown(stages: list[dict[str, Any]], iterations: np.ndarray) -> np.ndarray:
    """Return how many images an iteration's end has been reached with, (N,), batches being of the stages' sizes."""
    starts = np.asarray([stage["start"] for stage in stages])
    batches = np.asarray([stage["batch_size"] for stage in stages])
    lengths = np.clip(iterations[:, None] - starts, 0, np.append(np.diff(starts), np.inf))
    found: np.ndarray = lengths @ batches
    return found


def sizes_over_images(stages: list[dict[str, Any]], end: int) -> tuple[np.ndarray, np.ndarray]:
    """Return corners of the line of sizes: a fade rises from the size below, as the share of its pixels does."""
    starts = np.asarray([*(stage["start"] for stage in stages), end], dtype=float)
    heights: list[float] = []
    for stage in stages:
        heights += [stage["size"] / (2 if stage["fades"] else 1), stage["size"]]
    return images_shown(stages, np.repeat(starts, 2)[1:-1]), np.asarray(heights, dtype=float)


def _shade(ax: Axes, stages: list[dict[str, Any]], end: int) -> None:
    starts = np.asarray([*(stage["start"] for stage in stages), end], dtype=float)
    edges = images_shown(stages, starts)
    for stage, left, right in zip(stages, edges[:-1], edges[1:], strict=True):
        if stage["fades"]:
            ax.axvspan(left, right, color=FAINT, alpha=0.15, linewidth=0, zorder=0)
