"""Tables of what is said of each image: the one reader, by the names of columns, of whatever programs write.

CelebA's own .txt (a count, the names of the columns, then rows without a name for the first), Kaggle's .csv, and
what spreadsheets and other programs make of them: a byte order mark, UTF-16, other separators, quotes, a number
for each row in front, another name for the column of the images, other words for yes and no.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from gantry.data.listing import SUFFIXES
from gantry.errors import UserError, suggestion

SEPARATORS = ("\t", ";", ",", "|")
YES = frozenset({"1", "true", "yes", "y", "t", "on", "present"})
NO = frozenset({"0", "-1", "false", "no", "n", "f", "off", "absent"})
MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}


@dataclass(frozen=True)
class Table:
    """Rows by image, columns by name ("" and numbers where the file has no header)."""

    path: Path
    columns: tuple[str, ...]
    rows: Mapping[str, tuple[str, ...]]  # image → its values, one a column
    lines: Mapping[str, int]  # image → its line in the file

    def column(self, name: str) -> dict[str, str]:
        """Image → value in the column `name`; UserError with the nearest name if there is none."""
        index = self._index(name)
        return {image: values[index] for image, values in self.rows.items()}

    def only(self, names: tuple[str, ...]) -> dict[str, str]:
        """Image → value in the one column there is beside the images', or in the first of `names` that is there."""
        known = [name for name in names if name in self.columns]
        if not known and len(self.columns) != 1:
            raise UserError(
                f"{self.path}: columns {', '.join(self.columns)}: none of them is called {' or '.join(names)}"
            )
        return self.column(known[0] if known else self.columns[0])

    def flags(self, names: Iterable[str], images: Iterable[str]) -> NDArray[np.uint8]:
        """(N, A) of 0 and 1: which of the columns `names` are said to be so of each of `images`.

        UserError for a value that is neither yes nor no, and for a column with −1 and 0, which may mean two things.
        """
        wanted = [(name, self._index(name)) for name in names]
        table = []
        for image in images:
            values = self.rows[image]
            table.append([self._flag(values[index], name, image) for name, index in wanted])
        for name, index in wanted:
            given = {_plain(values[index]) for values in self.rows.values()}
            if {"-1", "0"} <= given:
                raise UserError(f"{self.path}: column {name}: −1 and 0 both, and which means no is not said")
        return np.array(table, np.uint8).reshape(-1, len(wanted))

    def _index(self, name: str) -> int:
        found = [index for index, column in enumerate(self.columns) if column == name]
        if len(found) > 1:
            raise UserError(f"{self.path}: {len(found)} columns are called {name!r}")
        if not found:
            raise UserError(
                f"{self.path}: no attribute {name!r}{suggestion(name, self.columns)}; there are "
                f"{', '.join(self.columns)}"
            )
        return found[0]

    def _flag(self, value: str, column: str, image: str) -> int:
        plain = _plain(value)
        if plain in YES:
            return 1
        if plain in NO:
            return 0
        raise UserError(
            f"{self.path}: line {self.lines[image]}: column {column} says {value!r} of {image}; expected 1 or −1, "
            "1 or 0, true or false, yes or no"
        )


def _plain(value: str) -> str:
    """A word without what programs add: spaces, capitals, a typographic minus, .0 of a number."""
    plain = value.strip().lower().replace("\u2212", "-").removeprefix("+")
    head, point, tail = plain.partition(".")
    return head if point and tail.strip("0") == "" and head.lstrip("-").isdigit() else plain


def read_annotations(path: Path, images: Iterable[str]) -> Table:
    """Read a table with a row an image; `images` are the base names that rows may speak of.

    The column of the images is found by what stands in it, never by its name or place. Rows of other images are
    passed over. UserError, with the line, for a table that contradicts itself.
    """
    known = {name.lower(): name for name in images}
    known |= {
        PurePosixPath(name).stem.lower(): name
        for name in known.values()
        if PurePosixPath(name).stem.lower() not in known
    }
    numbered = _rows(path)
    place = _column_of_images(path, [row for _, row in numbered], known)
    header: list[str] | None = None
    rows: dict[str, tuple[str, ...]] = {}
    lines: dict[str, int] = {}
    width = 0
    for line, row in numbered:
        image = known.get(_base(row[place]).lower()) if place < len(row) else None
        if not rows and image is None and not _looks_like_image(row, place):
            header = row if header is None or len(header) == 1 else header
            continue
        width = width or len(row)
        if len(row) != width:
            raise UserError(f"{path}: line {line}: {len(row)} values where the rows before it have {width}")
        if image is None:
            continue
        values = tuple(value for index, value in enumerate(row) if index != place)
        if rows.setdefault(image, values) != values:
            raise UserError(f"{path}: line {line}: {image} is there twice, and the two rows differ")
        lines.setdefault(image, line)
    if not rows:
        spoken = next((row[place] for _, row in numbered if _looks_like_image(row, place)), None)
        own = next(iter(known.values()), "none")
        said = f"speaks of {spoken}" if spoken else "names no image"
        raise UserError(f"{path}: no row is of an image that is there: it {said}, there is {own}")
    return Table(path, _columns(path, header, place, width), rows, lines)


def _columns(path: Path, header: list[str] | None, place: int, width: int) -> tuple[str, ...]:
    """The names of the columns beside the images'; CelebA's own header does not name that one."""
    if header is None or (len(header) == 1 and header[0].isdigit()):  # the count alone
        return tuple(str(number) for number in range(1, width))
    if len(header) == width:
        return tuple(name for index, name in enumerate(header) if index != place)
    if len(header) == width - 1:
        return tuple(header)
    raise UserError(f"{path}: {len(header)} names of columns for rows of {width} values")


def _column_of_images(path: Path, rows: list[list[str]], known: Mapping[str, str]) -> int:
    """The column that names the images: most of its values are those of images that are there, or look like one."""
    counts: dict[int, int] = {}
    for row in rows:
        for index, value in enumerate(row):
            base = _base(value).lower()
            if base.endswith(SUFFIXES) or (base in known and not base.lstrip("-").isdigit()):
                counts[index] = counts.get(index, 0) + 1
            elif base in known:  # 000001 without .jpg, which a number for each row may resemble
                counts[index] = counts.get(index, 0) + (len(base) > 3)
    if not counts or not max(counts.values()):
        own = next(iter(known.values()), "none")
        first = " ".join(rows[0])[:60] if rows else ""
        raise UserError(f"{path}: no column names images such as {own}; it begins with {first!r}")
    return max(counts, key=lambda index: (counts[index], -index))


def _looks_like_image(row: list[str], place: int) -> bool:
    return place < len(row) and _base(row[place]).lower().endswith(SUFFIXES)


def _base(value: str) -> str:
    return PurePosixPath(value.strip().replace("\\", "/")).name


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """(line, values) of all rows that are not empty, whatever separates the values."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    encoding = next((name for mark, name in MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a text in UTF-8 or UTF-16 ({error}); save it as UTF-8") from error
    lines = text.splitlines()
    # The last lines are rows for certain; a header of one word would tell nothing.
    sample = [line for line in lines[-20:] if line.strip()]
    separator = next((sign for sign in SEPARATORS if sample and all(sign in line for line in sample)), None)
    try:
        if separator is None:
            split = [line.split() for line in lines]
        else:
            split = [
                [value.strip() for value in row]
                for row in csv.reader(io.StringIO("\n".join(lines)), delimiter=separator)
            ]
    except csv.Error as error:
        raise UserError(f"{path}: not a table that can be read: {error}") from error
    return [(number, row) for number, row in enumerate(split, 1) if any(row)]
