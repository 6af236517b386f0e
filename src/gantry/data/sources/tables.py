"""Images as rows of tables: parquet files, and data sets that Hugging Face's library has saved to disk.

Both hold encoded images in a column, as bytes or as {bytes, path}, and classes in another, as numbers or words.
"""

import json
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from gantry.data.items import BadImage, Indices, Item, Option, Reader
from gantry.data.sources.base import ImageSource
from gantry.data.sources.folder import required
from gantry.errors import UserError, suggestion
from gantry.plan.dataset import DatasetSpec

IMAGES = ("image", "img", "images", "jpg", "png")
LABELS = ("label", "labels", "class", "cls", "fine_label")
ROWS = 256  # read at once


class Table(ImageSource):
    """Rows of an image and, where there is such a column, its class. Options: `split`, `image`, `label`.

    The columns are found by their usual names; `label: none` leaves classes out.
    """

    options: ClassVar[dict[str, Option]] = {"split": "train", "image": "", "label": ""}

    def __init__(self, spec: DatasetSpec, name: str, path: Path | None) -> None:
        super().__init__(spec, name, path)
        self.place = required(path, name)
        self.where = f"{self.place}: data set {name}"
        if not self.place.exists():
            raise UserError(f"{self.where}: no such file or folder")
        self.open_table()
        self.image = self._column("image", IMAGES)
        asked = str(self.chosen_options["label"])
        has_label = any(name in self.columns() for name in LABELS) if not asked else asked != "none"
        self.label = self._column("label", LABELS) if has_label else ""
        self._numbers: NDArray[np.int64] | None = None
        self._names: tuple[str, ...] = ()
        if self.label:
            self._numbers, self._names = self._classes()

    @abstractmethod
    def open_table(self) -> None:
        """Open the files of `self.place`."""

    @abstractmethod
    def columns(self) -> list[str]:
        """Return the names of the columns."""

    @abstractmethod
    def names_of_classes(self) -> tuple[str, ...]:
        """Return the names that the files give the numbers of column `label`; none where they say nothing."""

    @abstractmethod
    def all_labels(self) -> list[Any]:
        """Return the whole of column `label`."""

    @abstractmethod
    def images(self, chosen: Indices) -> Iterator[Any]:
        """Yield column `image` at ascending rows, in order: bytes, or a mapping with bytes or path."""

    @property
    def label_names(self) -> tuple[str, ...]:
        return self._names

    def items(self, chosen: Indices) -> Iterator[Item]:
        for row, image in zip(chosen.tolist(), self.images(chosen), strict=True):
            content, path = (
                (image.get("bytes"), image.get("path")) if isinstance(image, dict) else (image, None)
            )
            label = None if self._numbers is None else int(self._numbers[row])
            yield Item(f"row {row}", content if content is not None else path, label)

    def reader(self) -> Reader:
        return encoded_image

    def _column(self, option: str, usual: tuple[str, ...]) -> str:
        there, asked = self.columns(), str(self.chosen_options[option])
        if asked and asked not in there:
            raise UserError(
                f"{self.where}: options.{option}: no column {asked!r}{suggestion(asked, there)}; columns: "
                f"{', '.join(there)}"
            )
        found = asked or next((name for name in usual if name in there), "")
        if not found:
            raise UserError(
                f"{self.where}: which column holds the {option}? say options.{option}; columns: {', '.join(there)}"
            )
        return found

    def _classes(self) -> tuple[NDArray[np.int64], tuple[str, ...]]:
        """The class of every row as a number, and the names of the classes: words in the order of the alphabet."""
        values = self.all_labels()
        if all(isinstance(value, int) for value in values):
            return np.asarray(values, dtype=np.int64), self.names_of_classes()
        if not all(isinstance(value, str) for value in values):
            raise UserError(
                f"{self.where}: column {self.label} holds neither whole numbers nor words in every row; "
                "label: none leaves it out"
            )
        names = sorted(set(values))
        numbers = {name: number for number, name in enumerate(names)}
        return np.asarray([numbers[value] for value in values], dtype=np.int64), tuple(names)


def encoded_image(content: Any) -> bytes:
    """Return an image file's bytes, where a row holds these or the path of a file."""
    if isinstance(content, str):
        try:
            return Path(content).read_bytes()
        except OSError as error:
            raise BadImage(f"{content}: {error.strerror or error}") from None
    if not isinstance(content, bytes):
        raise BadImage(f"no image, but {type(content).__name__}")
    return content


class Parquet(Table):
    """One parquet file, or all in a folder; of a folder those whose names have `split` in them, if any has."""

    def open_table(self) -> None:
        try:
            from pyarrow import ArrowInvalid
            from pyarrow.parquet import ParquetFile
        except ImportError as error:
            raise UserError(
                f"{self.where}: parquet needs pyarrow ({error}); install it (uv sync --group data)"
            ) from None
        files = [self.place] if self.place.is_file() else sorted(self.place.rglob("*.parquet"))
        split = str(self.chosen_options["split"])
        files = [file for file in files if split in file.name] or files
        if not files:
            raise UserError(f"{self.where}: no .parquet file here or below")
        try:
            self.files = [ParquetFile(file) for file in files]
        except (ArrowInvalid, OSError) as error:
            raise UserError(f"{self.where}: not a parquet file, or damaged: {error}") from None
        first = self.files[0].schema_arrow
        if any(file.schema_arrow.names != first.names for file in self.files):
            raise UserError(f"{self.where}: the files have different columns; name one of them, or one split")

    def __len__(self) -> int:
        return int(sum(file.metadata.num_rows for file in self.files))

    def columns(self) -> list[str]:
        return list(self.files[0].schema_arrow.names)

    def names_of_classes(self) -> tuple[str, ...]:
        told = (self.files[0].schema_arrow.metadata or {}).get(b"huggingface", b"{}")
        features = json.loads(told).get("info", {}).get("features", {})
        return tuple(features.get(self.label, {}).get("names", ()))

    def all_labels(self) -> list[Any]:
        return [value for file in self.files for value in file.read([self.label])[self.label].to_pylist()]

    def images(self, chosen: Indices) -> Iterator[Any]:
        start = 0
        for file in self.files:
            for batch in file.iter_batches(ROWS, columns=[self.image]):
                inside = chosen[(chosen >= start) & (chosen < start + len(batch))] - start
                if len(inside):
                    column = batch.column(0)
                    yield from (column[int(row)].as_py() for row in inside)
                start += len(batch)


class HuggingFace(Table):
    """What `Dataset.save_to_disk` or `DatasetDict.save_to_disk` has written; of the latter one `split`."""

    def open_table(self) -> None:
        try:
            from datasets import DatasetDict, load_from_disk
        except ImportError as error:
            raise UserError(
                f"{self.where}: needs Hugging Face's datasets ({error}); install it (uv sync --group data)"
            ) from None
        try:
            found = load_from_disk(str(self.place))
        except (FileNotFoundError, ValueError, OSError) as error:
            raise UserError(f"{self.where}: not a data set that save_to_disk has written: {error}") from None
        if isinstance(found, DatasetDict):
            split = str(self.chosen_options["split"])
            if split not in found:
                known = ", ".join(found)
                raise UserError(
                    f"{self.where}: options.split: no split {split!r}{suggestion(split, found)}; splits: {known}"
                )
            found = found[split]
        self.rows = found

    def __len__(self) -> int:
        return len(self.rows)

    def columns(self) -> list[str]:
        return list(self.rows.column_names)

    def names_of_classes(self) -> tuple[str, ...]:
        return tuple(getattr(self.rows.features[self.label], "names", ()))

    def all_labels(self) -> list[Any]:
        return list(self.rows.with_format(None)[self.label])

    def images(self, chosen: Indices) -> Iterator[Any]:
        from datasets import Image

        rows = self.rows
        if isinstance(rows.features[self.image], Image):
            rows = rows.cast_column(self.image, Image(decode=False))
        for row in chosen.tolist():
            yield rows[row][self.image]
