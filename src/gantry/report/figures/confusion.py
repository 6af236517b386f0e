"""Which class samples of each class are taken for, by a referee that has seen real ones alone."""

import numpy as np
from matplotlib.figure import Figure

from gantry.errors import UserError
from gantry.metrics.names import MONTAGE, REAL
from gantry.plan.output_types.figures import ConfusionOptions
from gantry.report.cells import network_of, series
from gantry.report.figures.captions import over_seeds
from gantry.report.figures.sheet import new_sheet
from gantry.report.figures.style import INK, footer, in_lines, label
from gantry.report.load import Loaded, LoadedGroup
from gantry.report.titles import title_of

STEM = "confusion_"
SIDE, ACROSS = 2.6, 3
DARK = 0.55  # from this share on a cell's number is white


def draw(loaded: Loaded, options: ConfusionOptions) -> Figure:
    """A panel for each method and data set, and one of real samples for each data set; means over the seeds."""
    panels: dict[str, tuple[LoadedGroup, np.ndarray]] = {}
    several = len(loaded.dataset_titles) > 1
    for group in loaded.groups:
        on = f", {group.group.dataset_title}" if several else ""
        panels[f"{group.group.recipe_title}{on}"] = group, shares(loaded, group, group.headline)
    for group in loaded.groups:
        on = f", {group.group.dataset_title}" if several else ""
        panels.setdefault(f"real, unseen{on}", (group, shares(loaded, group, REAL)))
    across = min(len(panels), ACROSS)
    names = {title: class_names(group, len(table)) for title, (group, table) in panels.items()}
    longest = max(len(name) for found in names.values() for name in found)
    letters = 0.055 * longest
    titles = [in_lines(title, SIDE) for title in panels]
    above = 0.12 + 0.15 * (1 + max(title.count("\n") for title in titles)) + letters
    network = network_of(loaded.groups, "confusion")
    small_print = footer(
        loaded.spec,
        over_seeds(loaded, "means over {seeds} seeds"),
        "row: the class asked for; column: the class that a logistic regression on real training images' features "
        f"({network}) sees; per cent of the row",
    )
    gaps = [0.25 + letters] * (across - 1), [above + 0.1] * (-(-len(panels) // across) - 1)
    sheet = new_sheet(title_of(loaded), small_print, SIDE, *gaps, left=letters + 0.05, head=0.35 + above)
    axes = [ax for line in sheet.panels for ax in line]
    for ax, title, (_, table), said in zip(axes, titles, panels.values(), names.values(), strict=False):
        ax.imshow(table, cmap="Blues", vmin=0, vmax=1)
        for (row, column), share in np.ndenumerate(table):
            if np.isfinite(share) and round(100 * share):
                colour = "white" if share > DARK else INK
                ax.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=6, color=colour)
        ax.set_xticks(range(len(table)), said, rotation=90, fontsize=6.5)
        ax.set_yticks(range(len(table)), said, fontsize=6.5)
        ax.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
        ax.set_title(label(title), fontsize=8.5)
        for spine in ax.spines.values():
            spine.set_visible(False)
    for ax in axes[len(panels) :]:
        ax.axis("off")
    return sheet.figure


def shares(loaded: Loaded, group: LoadedGroup, source: str) -> np.ndarray:
    """The mean over a group's runs of the shares (K, K) at their ends; UserError where none were measured."""
    tables = []
    for run in group.complete:
        cells = sorted({name for name in run.metrics["metric"] if name.startswith(STEM)})
        ends = {name: series(run, name, source) for name in cells}
        known = {tuple(map(int, name.removeprefix(STEM).split("_"))): curve for name, curve in ends.items()}
        if not any(len(curve) for curve in known.values()):
            spec = loaded.spec
            raise UserError(
                f"{spec.paper}/{spec.name}: no confusion of classes among the scores of {run.key}: add confusion to "
                "the workload's final_metrics"
            )
        count = 1 + max(max(place) for place in known)
        table = np.zeros((count, count))
        for place, curve in known.items():
            table[place] = curve.iloc[-1] if len(curve) else 0.0
        tables.append(table)
    if not tables:
        return np.full((1, 1), np.nan)
    widest = max(len(table) for table in tables)
    return np.mean([np.pad(table, (0, widest - len(table))) for table in tables], axis=0)


def class_names(group: LoadedGroup, count: int) -> list[str]:
    """The classes' names, where the shown run's samples tell them; else their numbers."""
    named = group.shown.samples.get(f"{MONTAGE} classes rows")
    return (
        [str(name) for name in named[-1]]
        if named is not None and len(named[-1]) == count
        else [*map(str, range(count))]
    )
