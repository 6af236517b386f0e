"""CelebA's aligned faces: the zip as distributed, unpacked, or as torchvision lays them out."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import ClassVar

from gantry.data.annotations import Table, read_annotations
from gantry.data.captions import OPTIONS, captions_asked
from gantry.data.items import Indices, Item, Label, Option, Reader
from gantry.data.listing import list_images
from gantry.data.sources.base import ImageSource
from gantry.data.sources.folder import required
from gantry.errors import UserError
from gantry.plan.dataset import DatasetSpec

# Where the images may lie below `path`, and the annotations below it or beside the images.
IMAGES = (
    "img_align_celeba.zip",
    "img_align_celeba",
    "celeba/img_align_celeba.zip",
    "celeba/img_align_celeba",
)
ANNOTATIONS = ("", "celeba", "Anno", "Eval", "..", "../Anno", "../Eval")
TABLES = (".txt", ".csv", ".tsv")
# What the list of parts may call each of them.
SPLITS = {"train": ("0", "train"), "valid": ("1", "valid", "val", "validation"), "test": ("2", "test")}


class CelebA(ImageSource):
    """Aligned and cropped faces, 178×218, in the order of their numbers.

    Options: `split` (all, train, valid, test; needs list_eval_partition); `attribute`, whose presence (1 or 0)
    becomes the label; or `attributes`, a list of names or [all], whose presence become (N, A) labels (both need
    list_attr_celeba). Both files are read as .txt, .csv or .tsv. `captions`, `mentioned` and `seed` make vectors
    (N, M, A) of the attributes: see `gantry.data.captions`.
    """

    options: ClassVar[dict[str, Option]] = {"split": "all", "attribute": "", "attributes": (), **OPTIONS}
    test_split: ClassVar[str] = "test"

    def __init__(self, spec: DatasetSpec, name: str, path: Path | None) -> None:
        super().__init__(spec, name, path)
        self._root = required(path, name)
        place = next((self._root / name for name in IMAGES if (self._root / name).exists()), self._root)
        self._listing = list_images(place, f"{place}: data set {name}")
        numbered = sorted((PurePosixPath(file).name, content) for file, content in self._listing.files)
        for (one, _), (other, _) in pairwise(numbered):
            if one == other:
                raise UserError(f"{place}: data set {name}: {one} is there twice, in different folders")
        self._files = numbered
        split = self._one_of("split", ("all", *SPLITS))
        if split != "all":
            self._files = self._of_split(split)
        self._names, self._labels = self._read_labels()
        self._captions = captions_asked(self.chosen_options, self._names, name)

    def __len__(self) -> int:
        return len(self._files)

    @property
    def label_names(self) -> tuple[str, ...]:
        return self._names

    @property
    def left_out(self) -> Mapping[str, int]:
        return self._listing.left_out

    def items(self, chosen: Indices) -> Iterator[Item]:
        for i in chosen.tolist():
            file, content = self._files[i]
            label = None if self._labels is None else self._labels[i]
            if self._captions is not None and isinstance(label, tuple):
                label = self._captions.of(file, label)
            yield Item(file, content, label)

    def reader(self) -> Reader:
        return self._listing.reader

    def _of_split(self, split: str) -> list[tuple[str, object]]:
        """The files of one part; UserError if the list says nothing of that."""
        table = self._annotation("list_eval_partition", "split")
        part = table.only(("partition", "split"))
        words = {word: key for key, known in SPLITS.items() for word in known}
        if strange := sorted({value for value in part.values() if value.lower() not in words})[:3]:
            raise UserError(
                f"{table.path}: data set {self.name}: parts {', '.join(strange)}; expected 0, 1 and 2 or train, "
                "valid and test"
            )
        kept = [entry for entry in self._files if words.get(part.get(entry[0], "").lower()) == split]
        if not kept:
            raise UserError(
                f"{table.path}: data set {self.name}: options.split: no image of part {split}; it speaks of "
                f"{next(iter(part))}, there is {self._files[0][0]}"
            )
        return kept

    def _read_labels(self) -> tuple[tuple[str, ...], list[Label] | None]:
        """The names of the labels and the label of each file, where options ask for them."""
        attribute, several = self.chosen_options["attribute"], tuple(self.chosen_options["attributes"])
        if attribute and several:
            raise UserError(f"data set {self.name}: options: attribute and attributes: give one of them")
        if not attribute and not several:
            return (), None
        table = self._annotation("list_attr_celeba", "attribute" if attribute else "attributes")
        files = [file for file, _ in self._files]
        if lacking := [file for file in files if file not in table.rows]:
            raise UserError(
                f"{table.path}: data set {self.name}: says nothing of {len(lacking):,} images, {lacking[0]} the first"
            )
        names = (attribute,) if attribute else table.columns if several == ("all",) else several
        flags = table.flags(names, files)
        if attribute:
            return (f"not {attribute}", attribute), [int(row[0]) for row in flags]
        return names, [tuple(row) for row in flags.tolist()]

    def _annotation(self, file: str, option: str) -> Table:
        """The table of this name; its suffix may have others in front of it (list_attr_celeba.first1000.txt)."""
        folders = [self._root / folder for folder in ANNOTATIONS]
        found = next(_tables(file, folders), None)
        if found is None:
            raise UserError(
                f"{self._root}: data set {self.name}: options.{option} needs {file}.txt or {file}.csv there"
            )
        return read_annotations(found, (name for name, _ in self._files))


def _tables(file: str, folders: Iterable[Path]) -> Iterator[Path]:
    """The files that may be meant, those of the exact name first."""
    there = [folder for folder in folders if folder.is_dir()]
    for suffix in TABLES:
        yield from (folder / f"{file}{suffix}" for folder in there if (folder / f"{file}{suffix}").is_file())
    for folder in there:
        yield from (path for path in sorted(folder.glob(f"{file}.*")) if path.suffix.lower() in TABLES)
