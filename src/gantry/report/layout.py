"""The cells of a table arranged as the paper has it: rows, columns, footnotes; ready to be written in any markup."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from typing import TypeVar

import numpy as np

from gantry.metrics import names
from gantry.report.cells import DIVERGED_NOTE, MAIN, Cell
from gantry.report.statistics import half_width

NOTHING = "–"
ROW_KEYS = ("dataset", "method", "source", "iteration")
ROW_TITLES = {"dataset": "Data", "method": "Method", "source": "Samples of", "iteration": "Iteration"}
SOURCES = {"mixture": "equal mixture"}
OF_SEVERAL = {
    names.MIXTURE: "samples are the equal mixture of its generators; each alone stands in a part of its own",
    names.MEAN: "the mean over its directions; each alone stands in a part of its own",
}
# The key of a cell without a number, which any number precedes.
LAST = sys.float_info.max
ARROWS = {"lower": " ↓", "higher": " ↑", "half": "", "one": " → 1"}


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


def arrange(cells: Sequence[Cell], spread: str = "sd") -> tuple[list[Arranged], Footnotes]:
    """Arrange the cells of a table, part by part, with the footnotes of all parts.

    `spread` is what follows a mean: ± the standard deviation over runs, or its 95 % `interval`.
    """
    notes = Footnotes()
    parts = _grouped(cells, lambda cell: cell.part)
    return [_arrange_part(title, part, spread, notes) for title, part in parts.items()], notes


Key = TypeVar("Key")


def _grouped(cells: Iterable[Cell], key: Callable[[Cell], Key]) -> dict[Key, list[Cell]]:
    """The cells by a key, in the order in which the keys first come."""
    found: dict[Key, list[Cell]] = {}
    for cell in cells:
        found.setdefault(key(cell), []).append(cell)
    return found


def _arrange_part(title: str, cells: list[Cell], spread: str, notes: Footnotes) -> Arranged:
    # The columns of one metric stand together, wherever its first one was.
    by_metric = _grouped(cells, lambda cell: cell.head[0])
    places: dict[tuple[str, str], int] = {}
    heads: list[tuple[str, str]] = []
    for metric, members in by_metric.items():
        digits = decimals(np.asarray([cell.ours[0] for cell in members], dtype=float))
        for head, (first, *_) in _grouped(members, lambda cell: cell.head).items():
            places[head] = digits
            heads.append((metric + (_arrow(first) if first.metric else ""), head[1]))
    shown = [
        key
        for key in ROW_KEYS
        if key == "method"
        or (len({getattr(cell, key) for cell in cells}) > 1 if key != "source" else title != MAIN)
    ]
    # Ours and the published numbers share a column where they measure the same thing.
    paired = any(cell.published is not None and cell.runs for cell in cells)
    # A row of the main part may have a single generator's samples in one column and a mixture's in another.
    keys = [key for key in ROW_KEYS if key != "source" or title != MAIN]
    rows = _grouped(cells, lambda cell: tuple(getattr(cell, key) for key in keys))
    lines = [line for row in rows.values() for line in _lines(row, shown, places, spread, notes, paired)]
    return Arranged(
        title="" if title == MAIN else title,
        label_heads=(*[ROW_TITLES[key] for key in shown], "" if paired else "n"),
        heads=tuple(heads),
        lines=tuple(_without_repeats(lines, len(shown))),
    )


def _arrow(cell: Cell) -> str:
    return ARROWS[names.metric(cell.metric).direction]


def _lines(
    cells: Sequence[Cell],
    shown: Sequence[str],
    places: Mapping[tuple[str, str], int],
    spread: str,
    notes: Footnotes,
    paired: bool,
) -> list[Line]:
    """One row of the table as lines: published, ours, difference; those with nothing to say are left out."""
    labels = tuple(_label(key, _speaking(cells), notes) for key in shown)
    by_head = {cell.head: cell for cell in cells}
    counts = {cell.ours[2] for cell in cells if cell.ours[2]}
    common = counts.pop() if len(counts) == 1 else None

    def line(kind: str, label: Entry, write: Callable[[Cell, int], Entry]) -> Line:
        entries = tuple(
            replace(write(cell, digits), key=_key(cell))
            if (cell := by_head.get(head)) is not None
            else Entry(NOTHING, key=LAST)
            for head, digits in places.items()
        )
        return Line((*labels, label), entries, kind, first=False)

    ours_of = partial(_ours, spread=spread, common=common)
    published_of = partial(_published, notes=notes)
    if not paired:

        def either(cell: Cell, digits: int) -> Entry:
            return (published_of if _stands_alone(cell) else ours_of)(cell, digits)

        return [replace(line("ours", _runs_label(cells, common, notes, ""), either), first=True)]
    published = line("published", Entry("published"), published_of)
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
    return [replace(line, first=index == 0) for index, line in enumerate(lines)]


def _speaking(cells: Sequence[Cell]) -> Cell:
    """The cell that labels its row: one of a mixture or a mean, if there is one, since that has a footnote."""
    return next((cell for cell in cells if cell.source in OF_SEVERAL), cells[0])


def _stands_alone(cell: Cell) -> bool:
    """Whether a published number has a column of its own, where nothing of ours can stand."""
    return cell.published is not None and not cell.runs


def _runs_label(cells: Sequence[Cell], common: int | None, notes: Footnotes, prefix: str) -> Entry:
    """How many runs are behind a line, and how many of them diverged."""
    worst = max(cells, key=lambda cell: cell.diverged)
    text = f"{prefix}{common}" if common else prefix.partition(",")[0]
    if not worst.diverged:
        return Entry(text)
    diverged = f"{worst.diverged} of {worst.runs} diverged"
    return Entry(f"{text}, {diverged}" if text else diverged, (notes.mark(DIVERGED_NOTE),))


def _key(cell: Cell) -> float:
    """What a cell's row is sorted by: ours, or else what was published."""
    found = (cell.ours[0], np.nan if cell.published is None else cell.published)
    return next((value for value in found if not np.isnan(value)), LAST)


def _published(cell: Cell, places: int, notes: Footnotes) -> Entry:
    if cell.published is None:
        return Entry(NOTHING)
    # As printed: the papers give two decimals.
    text = number(cell.published, 2 if round(cell.published, 2) == cell.published else places)
    # A number that stands alone has its source beside it; others explain themselves at the difference.
    return Entry(text, () if cell.ours[2] else _marks(cell, notes))


def _ours(cell: Cell, places: int, spread: str, common: int | None) -> Entry:
    """`common` is how many runs are behind every cell of the row; None where that differs and each says it."""
    mean, sd, n = cell.ours
    if cell.diverged and cell.diverged == cell.runs:
        return Entry(f"diverged ({cell.diverged} of {cell.runs})", (), cell.groups)
    if not n:
        return Entry(NOTHING)
    text = number(mean, places)
    half = half_width(sd, n) if spread == "interval" else np.nan
    if not np.isnan(half):
        text += f" ({number(mean - half, places)} to {number(mean + half, places)})"
    elif not np.isnan(sd):
        text += f" ± {number(sd, places)}"
    if common is None:
        text += f" (n = {n})"
    return Entry(text, (), cell.groups, strong=True)


def _difference(cell: Cell, places: int, notes: Footnotes) -> Entry:
    if cell.published is None or not cell.ours[2]:
        return Entry(NOTHING)
    known = not np.isnan(cell.difference)
    return Entry(signed(cell.difference, places) if known else NOTHING, _marks(cell, notes))


def _marks(cell: Cell, notes: Footnotes) -> tuple[str, ...]:
    return tuple(notes.mark(note) for note in cell.footnotes)


def _label(key: str, cell: Cell, notes: Footnotes) -> Entry:
    if key == "iteration":
        end = cell.iteration is None
        return Entry("end", key=LAST) if end else Entry(f"{cell.iteration:,}", key=cell.iteration)
    value = str(getattr(cell, key))
    if key == "source":
        return Entry(SOURCES.get(value, value))
    if key == "method" and cell.source in OF_SEVERAL and cell.part == MAIN:
        return Entry(value, (notes.mark(OF_SEVERAL[cell.source]),))
    return Entry(value)


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
