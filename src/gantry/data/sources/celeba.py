"""CelebA's aligned faces: the zip as distributed, unpacked, or as torchvision lays them out."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import ClassVar

from gantry.data.sources.base import ImageSource, Indices, Item, Option, Reader
from gantry.data.sources.folder import open_files, required
from gantry.errors import UserError, suggestion
from gantry.plan.dataset import DatasetSpec

# Where the images may lie below `path`, and the annotations below it or beside the images.
IMAGES = (
    "img_align_celeba.zip",
    "img_align_celeba",
    "celeba/img_align_celeba.zip",
    "celeba/img_align_celeba",
)
ANNOTATIONS = ("", "celeba", "Anno", "Eval", "..", "../Anno", "../Eval")
SPLITS = {"train": 0, "valid": 1, "test": 2}


class CelebA(ImageSource):
    """Aligned and cropped faces, 178×218, in the order of their numbers.

    Options: `split` (all, train, valid, test; needs list_eval_partition) and `attribute`, whose presence
    (1 or 0) becomes the label (needs list_attr_celeba). Both files are read as .txt, or as .csv.
    """

    options: ClassVar[dict[str, Option]] = {"split": "all", "attribute": ""}

    def __init__(self, spec: DatasetSpec, name: str, path: Path | None) -> None:
        super().__init__(spec, name, path)
        self._root = required(path, name)
        place = next((self._root / each for each in IMAGES if (self._root / each).exists()), self._root)
        files, self._reader = open_files(place, name)
        numbered = sorted((PurePosixPath(file).name, content) for file, content in files)
        for (one, _), (other, _) in pairwise(numbered):
            if one == other:
                raise UserError(f"{place}: data set {name}: {one} is there twice, in different folders")
        self._files = numbered
        split = self._one_of("split", ("all", *SPLITS))
        if split != "all":
            of = self._annotation("list_eval_partition", "split")
            self._files = [entry for entry in numbered if of.get(entry[0]) == str(SPLITS[split])]
        attribute = self.chosen_options["attribute"]
        self._labels = self._annotation("list_attr_celeba", "attribute", attribute) if attribute else None
        if self._labels is not None and (lacking := [f for f, _ in self._files if f not in self._labels]):
            raise UserError(
                f"data set {name}: list_attr_celeba says nothing of {len(lacking):,} images, {lacking[0]} the first"
            )

    def __len__(self) -> int:
        return len(self._files)

    def items(self, chosen: Indices) -> Iterator[Item]:
        for i in chosen.tolist():
            file, content = self._files[i]
            label = None if self._labels is None else int(self._labels[file] == "1")
            yield Item(file, content, label)

    def reader(self) -> Reader:
        return self._reader

    def _annotation(self, file: str, option: str, column: str = "") -> dict[str, str]:
        """Image → value in one column (the first, if unnamed) of an annotation file."""
        places = [
            self._root / folder / f"{file}{suffix}" for folder in ANNOTATIONS for suffix in (".txt", ".csv")
        ]
        found = next((place for place in places if place.is_file()), None)
        if found is None:
            raise UserError(
                f"{self._root}: data set {self.name}: options.{option} needs {file}.txt or {file}.csv there"
            )
        rows = [line.replace(",", " ").split() for line in found.read_text().splitlines()]
        index = 0
        if column:
            # The line that names the columns; in .csv it names the column of the images too.
            names = next((row for row in rows if len(row) > 1 and not row[0].endswith(".jpg")), [])
            names = [each for each in names if each != "image_id"]
            if column not in names:
                raise UserError(f"{found}: no attribute {column!r}{suggestion(column, names)}")
            index = names.index(column)
        return {row[0]: row[1 + index] for row in rows if len(row) > 1 + index and row[0].endswith(".jpg")}
