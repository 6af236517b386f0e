"""Tables of images whose rows and columns mean something: classes by z, codes, levels, reconstructions, styles."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from gantry.errors import UserError
from gantry.metrics.names import MONTAGE
from gantry.plan.output_types.figures import MontageOptions
from gantry.report.figures.captions import shown_runs
from gantry.report.figures.pictures import mosaic, show, show_nothing
from gantry.report.figures.style import (
    EDGE,
    INK,
    SMALL,
    TITLE,
    footer,
    heading,
    in_lines,
    label,
    new_figure,
    width_of,
    wrapped,
)
from gantry.report.load import Loaded, LoadedGroup
from gantry.report.text import short
from gantry.report.titles import title_of

CAPTIONS = {
    "classes": "a row is a class, a column one z; not chosen",
    "interpolation": "all with one z; along a row the shares of two classes change from all of one to all of the other",
    "traversal": "a row is one z: one code changes along it, all else stays; continuous codes were trained on −1 to 1",
    "reconstructions": "x: the first real images, held out from training where the data set holds any out; below each "
    "its reconstruction",
    "labels": "the first held-out images, and each as every class, or (±) with each attribute turned over",
    "matrix": "a row is the first held-out image of a domain, which stands on the diagonal; a column what becomes of "
    "it in a domain, an attribute being that of the images that have it",
    "styles": "the first held-out inputs, each in the same drawn styles, one a column",
    "mixing": "sources stand above and at the left; the others have the styles of the one above in the layers of the "
    "sizes named, and those of the one at the left in all others",
    "psi": "a column is one z, with its w drawn towards the mean of w: ψ = 1 changes nothing, ψ = 0 is the mean",
    "levels": "a column is the same noise, and the same class where one is asked for; a row shows what the levels up "
    "to there have made, enlarged",
    "canvases": "a row is one image: what each step adds to it, and the sum of all steps",
    "parts": "a row is one image: what it is made of, layer by layer; of a mask white is 1",
    "pyramid": "a column is a scale, enlarged to the picture's size; rebuilt: from one fixed noise; samples: from "
    "noise at every scale",
}
GAP = 0.3  # inches between two tables
SMALL_IMAGE, LARGE_IMAGE = 0.44, 0.85  # inches a side: of up to 32 pixels, and of more
WIDEST = 9.5
LETTERS = 7.0


@dataclass(frozen=True)
class Table:
    """One run's table: its picture, the names of rows and columns, and the room in inches that they take."""

    group: LoadedGroup
    title: str
    images: np.ndarray | None
    rows: Sequence[str]
    columns: Sequence[str]

    @property
    def cell(self) -> float:
        return SMALL_IMAGE if self.images is None or self.images.shape[-2] <= 32 else LARGE_IMAGE

    @property
    def across(self) -> float:
        return self.cell * len(self.columns)

    @property
    def down(self) -> float:
        return self.cell * len(self.rows)

    @property
    def left(self) -> float:
        return max((width_of(name, LETTERS) for name in self.rows), default=0.0) + 0.08

    @property
    def slanted(self) -> bool:
        """Whether a column's name is wider than its images."""
        return max((width_of(name, LETTERS) for name in self.columns), default=0.0) > 0.95 * self.cell

    @property
    def above(self) -> float:
        """Room for the names of columns and, over them, the title."""
        widest = max((width_of(name, LETTERS) for name in self.columns), default=0.0)
        names = 0.75 * widest + 0.12 if self.slanted else 0.14 * any(self.columns)
        return names + 0.06 + 0.16 * (1 + self.title.count("\n"))


def draw(loaded: Loaded, options: MontageOptions) -> Figure:
    """A table for each method and data set, of the run whose samples are shown, at its end."""
    tables = [_table(loaded, group, options.of) for group in loaded.groups]
    lines: list[list[Table]] = [[]]
    for table in tables:
        taken = sum(block.left + block.across + GAP for block in lines[-1])
        if lines[-1] and taken + table.left + table.across > WIDEST:
            lines.append([])
        lines[-1].append(table)
    width = max(4.2, *(2 * EDGE - GAP + sum(t.left + t.across + GAP for t in line) for line in lines))
    ends = dict.fromkeys(short(int(i[-1])) for g in loaded.groups if len(i := g.shown.samples["iterations"]))
    after = f"after {', '.join(ends)} iterations" if ends else ""
    small = wrapped(footer(loaded.spec, after, shown_runs(loaded), CAPTIONS[options.of]), width)
    lettering = heading(title_of(loaded), width)
    bottom, head = 0.18 + 0.14 * (small.count("\n") + 1), 0.3 + 0.17 * lettering.count("\n")
    heights = [max(t.above for t in line) + max(t.down for t in line) for line in lines]
    height = bottom + head + sum(heights) + 0.15 * (len(lines) - 1)
    figure = new_figure(width, height, constrained=False)
    y = height - head
    for line, high in zip(lines, heights, strict=True):
        x, above = EDGE, max(t.above for t in line)
        for table in line:
            top = y - above
            place = (x + table.left) / width, (top - table.down) / height
            _draw(figure, table, (*place, table.across / width, table.down / height))
            x += table.left + table.across + GAP
        y -= high + 0.15
    figure.text(EDGE / width, 0.07 / height, small, fontsize=SMALL, color="#555555", va="bottom")
    bold: dict[str, Any] = {"fontsize": TITLE, "fontweight": "bold", "color": INK, "va": "top"}
    figure.text(EDGE / width, 1 - 0.08 / height, lettering, **bold)
    return figure


def _table(loaded: Loaded, group: LoadedGroup, of: str) -> Table:
    """The table of one group's shown run; UserError where its scores have none."""
    samples, stem = group.shown.samples, f"{MONTAGE} {of}"
    several = len(loaded.dataset_titles) > 1
    name = ", ".join([group.group.recipe_title, *([group.group.dataset_title] if several else [])])
    if stem not in samples:
        if group.shown.diverged:
            return Table(group, name, None, ("",) * 3, ("",) * 3)
        spec = loaded.spec
        raise UserError(
            f"{spec.paper}/{spec.name}: no {of} among the scores of {group.group.key}: the workload's montages "
            f"make them; add {of} there"
        )
    rows, columns = (samples[f"{stem} {names}"][-1] for names in ("rows", "columns"))
    titled = Table(group, name, samples[stem][-1], tuple(map(str, rows)), tuple(map(str, columns)))
    return Table(group, in_lines(name, titled.across), titled.images, titled.rows, titled.columns)


def _draw(figure: Figure, table: Table, place: tuple[float, float, float, float]) -> None:
    ax = figure.add_axes(place)
    over = table.above - 0.16 * (1 + table.title.count("\n"))
    title: dict[str, Any] = {"xytext": (0, over * 72), "textcoords": "offset points", "va": "bottom"}
    ax.annotate(label(table.title), (0, 1), xycoords="axes fraction", fontsize=8.5, color=INK, **title)
    if table.images is None:
        show_nothing(ax, table.group)
        return
    down, across = table.images.shape[:2]
    show(ax, mosaic(table.images.reshape(-1, *table.images.shape[2:]), down * across, across))
    for row, text in enumerate(table.rows):
        at = 1 - (row + 0.5) / down
        side: dict[str, Any] = {"ha": "right", "va": "center", "transform": ax.transAxes}
        ax.text(-0.04 / table.across, at, label(text), fontsize=LETTERS, color=INK, **side)
    for column, text in enumerate(table.columns):
        at = (column + 0.5) / across
        above: dict[str, Any] = {"va": "bottom", "transform": ax.transAxes}
        above |= (
            {"rotation": 45, "ha": "left", "rotation_mode": "anchor"} if table.slanted else {"ha": "center"}
        )
        ax.text(at, 1 + 0.03 / table.down, label(text), fontsize=LETTERS, color=INK, **above)
