"""A tidy table arranged as the paper has it: rows, columns, footnotes; ready to be written in any markup."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from gantry.metrics import names
from gantry.report.cells import DIVERGED_NOTE, MAIN
from gantry.report.statistics import half_width

NOTHING = "–"
ROW_KEYS = ("dataset", "method", "source", "iteration")
ROW_TITLES = {"dataset": "Data", "method": "Method", "source": "Samples of", "iteration": "Iteration"}
SOURCES = {"mixture": "equal mixture"}
MIXTURE_NOTE = "samples are the equal mixture of its generators; each alone stands in a part of its own"
# The key of a cell without a number, which any number precedes.
LAST = sys.float_info.max
ARROWS = {"lower": " ↓", "higher": " ↑", "half": ""}


@dataclass(frozen=True)
class Entry:
    """What stands in one cell: its text, the letters of its footnotes, and the runs behind it.

    repeats: what would stand here, were it not in the line above; it shows once lines are sorted.
    key: what the cell is sorted by, if not by its text; the same in all lines of a row, which stay together.
    """

    text: str
    marks: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    strong: bool = False
    repeats: str = ""
    key: float | None = None


@dataclass(frozen=True)
class Line:
    """One line of a table: the labels at its left, then its entries; `first` starts a new block."""

    labels: tuple[Entry, ...]
    entries: tuple[Entry, ...]
    kind: str
    first: bool


@dataclass(frozen=True)
class Arranged:
    """One part of a table. `heads` are the columns' (group, title) pairs; equal neighbours are joined."""

    title: str
    label_heads: tuple[str, ...]
    heads: tuple[tuple[str, str], ...]
    lines: tuple[Line, ...]

    @property
    def head_groups(self) -> list[tuple[str, int]]:
        """Each group of columns with its width."""
        return [
            (group, len(list(members))) for group, members in groupby(self.heads, key=lambda head: head[0])
        ]


@dataclass
class Footnotes:
    """Texts at a table's foot, each with a letter."""

    texts: list[str] = field(default_factory=list)

    def mark(self, text: str) -> str:
        """The letter of a footnote; the same text keeps its letter."""
        if text not in self.texts:
            self.texts.append(text)
        return _letter(self.texts.index(text))

    def lettered(self) -> list[tuple[str, str]]:
        """(letter, text) in order."""
        return [(_letter(index), text) for index, text in enumerate(self.texts)]


def arrange(frame: pd.DataFrame, spread: str = "sd") -> tuple[list[Arranged], Footnotes]:
    """Arrange a tidy table (see `cells.COLUMNS`), part by part, with the footnotes of all parts.

    `spread` is what follows a mean: ± the standard deviation over runs, or its 95 % `interval`.
    """
    notes = Footnotes()
    if spread == "interval":
        half = [half_width(sd, n) for sd, n in zip(frame["ours_sd"], frame["n"], strict=True)]
        frame = frame.assign(low=frame["ours_mean"] - half, high=frame["ours_mean"] + half)
    parts = [_arrange_part(str(title), part, notes) for title, part in frame.groupby("part", sort=False)]
    return parts, notes


def _arrange_part(title: str, frame: pd.DataFrame, notes: Footnotes) -> Arranged:
    heads = frame["quantity"].str.partition(", ")[0]
    # The columns of one metric stand together, wherever its first one was.
    first = {head: place for place, head in enumerate(heads.unique())}
    columns = frame.drop_duplicates("quantity").sort_values(
        "quantity", key=lambda each: each.str.partition(", ")[0].map(first), kind="stable"
    )
    digits = {head: decimals(rows["ours_mean"].to_numpy(dtype=float)) for head, rows in frame.groupby(heads)}
    places = {str(quantity): digits[quantity.partition(", ")[0]] for quantity in columns["quantity"]}
    shown = [
        key
        for key in ROW_KEYS
        if key == "method" or (frame[key].nunique() > 1 if key != "source" else title != MAIN)
    ]
    with_published = bool(frame["published"].notna().any())
    lines: list[Line] = []
    # A row of the main part may have a single generator's samples in one column and a mixture's in another.
    keys = [key for key in ROW_KEYS if key != "source" or title != MAIN]
    for _, rows in frame.groupby(keys, sort=False, dropna=False):
        lines += _lines(rows.to_dict("records"), shown, places, notes, with_published)
    return Arranged(
        title="" if title == MAIN else title,
        label_heads=(*[ROW_TITLES[key] for key in shown], "" if with_published else "n"),
        heads=tuple(_head(row) for row in columns.to_dict("records")),
        lines=tuple(_without_repeats(lines, len(shown))),
    )


def _lines(
    cells: Sequence[dict[Any, Any]],
    shown: Sequence[str],
    places: dict[str, int],
    notes: Footnotes,
    with_published: bool,
) -> list[Line]:
    """One row of the table as lines: published, ours, difference; those with nothing to say are left out."""
    labels = tuple(_label(key, _speaking(cells), notes) for key in shown)
    by_quantity = {str(cell["quantity"]): cell for cell in cells}
    counts = {int(cell["n"]) for cell in cells if cell["n"]}
    common = counts.pop() if len(counts) == 1 else None

    def line(kind: str, label: Entry, write: Callable[[dict[Any, Any], int], Entry]) -> Line:
        entries = tuple(
            replace(write(cell, digits), key=_key(cell))
            if (cell := by_quantity.get(quantity)) is not None
            else Entry(NOTHING, key=LAST)
            for quantity, digits in places.items()
        )
        return Line((*labels, label), entries, kind, first=False)

    ours_of = partial(_ours, common=common)
    if not with_published:
        return [replace(line("ours", _runs_label(cells, common, notes, ""), ours_of), first=True)]
    published = line("published", Entry("published"), partial(_published, notes=notes))
    difference = line("difference", Entry("difference"), partial(_difference, notes=notes))
    ours = line("ours", _runs_label(cells, common, notes, "ours, n = "), ours_of)
    lines = [ours]
    if any(entry.text != NOTHING for entry in published.entries):
        if all(entry.text == NOTHING for entry in difference.entries):
            reasons = dict.fromkeys(mark for entry in difference.entries for mark in entry.marks)
            published = replace(published, labels=(*labels, Entry("published", tuple(reasons))))
            lines = [published, ours]
        else:
            lines = [published, ours, difference]
    return [replace(each, first=index == 0) for index, each in enumerate(lines)]


def _speaking(cells: Sequence[dict[Any, Any]]) -> dict[Any, Any]:
    """The cell that labels its row: one of a mixture, if there is one, since that has a footnote."""
    return next((cell for cell in cells if cell["source"] == "mixture"), cells[0])


def _runs_label(cells: Sequence[dict[Any, Any]], common: int | None, notes: Footnotes, prefix: str) -> Entry:
    """How many runs are behind a line, and how many of them diverged."""
    worst = max(cells, key=lambda cell: cell["diverged"])
    text = f"{prefix}{common}" if common else prefix.partition(",")[0]
    if not worst["diverged"]:
        return Entry(text)
    diverged = f"{int(worst['diverged'])} of {int(worst['runs'])} diverged"
    return Entry(f"{text}, {diverged}" if text else diverged, (notes.mark(DIVERGED_NOTE),))


def _key(cell: dict[Any, Any]) -> float:
    """What a cell's row is sorted by: ours, or else what was published."""
    return next((float(cell[of]) for of in ("ours_mean", "published") if not np.isnan(cell[of])), LAST)


def _published(cell: dict[Any, Any], places: int, notes: Footnotes) -> Entry:
    value = float(cell["published"])
    # As printed: the papers give two decimals.
    text = number(value, 2 if round(value, 2) == value else places)
    # A number that stands alone has its source beside it; others explain themselves at the difference.
    return Entry(text, () if cell["n"] or text == NOTHING else _marks(cell, notes))


def _ours(cell: dict[Any, Any], places: int, common: int | None) -> Entry:
    """`common` is how many runs are behind every cell of the row; None where that differs and each says it."""
    groups = tuple(str(cell["groups"]).split())
    runs, diverged = int(cell["runs"]), int(cell["diverged"])
    if diverged and diverged == runs:
        return Entry(f"diverged ({diverged} of {runs})", (), groups)
    if not cell["n"]:
        return Entry(NOTHING)
    text = number(cell["ours_mean"], places)
    if "low" in cell and not np.isnan(cell["low"]):
        text += f" ({number(cell['low'], places)} to {number(cell['high'], places)})"
    elif not np.isnan(cell["ours_sd"]):
        text += f" ± {number(cell['ours_sd'], places)}"
    if common is None:
        text += f" (n = {int(cell['n'])})"
    return Entry(text, (), groups, strong=True)


def _difference(cell: dict[Any, Any], places: int, notes: Footnotes) -> Entry:
    if np.isnan(cell["published"]) or not cell["n"]:
        return Entry(NOTHING)
    known = not np.isnan(cell["difference"])
    return Entry(signed(cell["difference"], places) if known else NOTHING, _marks(cell, notes))


def _marks(cell: dict[Any, Any], notes: Footnotes) -> tuple[str, ...]:
    return tuple(
        notes.mark(note) for note in str(cell["note"]).split(" | ") if note not in ("", DIVERGED_NOTE)
    )


def _label(key: str, cell: dict[Any, Any], notes: Footnotes) -> Entry:
    value = cell[key]
    if key == "iteration":
        return Entry("end", key=LAST) if pd.isna(value) else Entry(f"{int(value):,}", key=float(value))
    if key == "source":
        return Entry(SOURCES.get(str(value), str(value)))
    if key == "dataset" and cell["stand_in"]:
        return Entry(f"{value} (stand-in)")
    if key == "method" and cell["source"] == "mixture" and cell["part"] == MAIN:
        return Entry(str(value), (notes.mark(MIXTURE_NOTE),))
    return Entry(str(value))


def _head(cell: dict[Any, Any]) -> tuple[str, str]:
    """Split "FID, minimum" into its group "FID ↓" and its title "minimum"."""
    group, _, title = str(cell["quantity"]).partition(", ")
    metric = str(cell["metric"])
    return (group + (ARROWS[names.metric(metric).direction] if metric else ""), title)


def _without_repeats(lines: Sequence[Line], count: int) -> list[Line]:
    """Blank the row labels that repeat those of the line above."""
    kept: list[Line] = []
    previous: tuple[str, ...] = ("",) * count
    for line in lines:
        texts = tuple(label.text for label in line.labels[:count])
        same = 0
        while same < count and texts[same] == previous[same]:
            same += 1
        above = (Entry("", repeats=label.text, key=label.key) for label in line.labels[:same])
        labels = (*above, *line.labels[same:])
        kept.append(Line(labels, line.entries, line.kind, line.first))
        previous = texts
    return kept


def decimals(values: np.ndarray) -> int:
    """Decimals that show three digits of the largest value: 2 at least, 6 at most."""
    known = np.abs(values[~np.isnan(values)])
    known = known[known > 0]
    if not len(known):
        return 2
    return int(np.clip(2 - np.floor(np.log10(known.max())), 2, 6))


def number(value: float, places: int) -> str:
    """A number with a real minus sign and separated thousands; a dash for NaN."""
    return NOTHING if np.isnan(value) else f"{value:,.{places}f}".replace("-", "−")


def signed(value: float, places: int) -> str:
    """A difference, with its sign."""
    return f"{value:+,.{places}f}".replace("-", "−")


def _letter(index: int) -> str:
    """a, b, …, z, aa, ab, …"""
    return chr(ord("a") + index) if index < 26 else _letter(index // 26 - 1) + _letter(index % 26)
