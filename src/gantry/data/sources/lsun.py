"""LSUN's categories: an LMDB of image files each, of which only the drawn ones are read."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

from gantry.data.archives import FRESH, LARGEST_IMAGE, unpack
from gantry.data.btree import DamagedDatabase, open_tree
from gantry.data.items import BadImage, Indices, Item, Option, Reader
from gantry.data.sources.base import ImageSource
from gantry.data.sources.folder import required
from gantry.errors import UserError
from gantry.plan.dataset import DatasetSpec

# Bytes of an LMDB's smallest entry: its place in the page, its header, a key of one byte.
LEAST_ENTRY = 11


@dataclass(frozen=True)
class ValueReader:
    """Reads stretches of one file."""

    path: Path

    def __call__(self, content: tuple[int, int]) -> bytes:
        offset, size = content
        if size > LARGEST_IMAGE:
            raise BadImage(f"{size:,} bytes, more than the {LARGEST_IMAGE:,} of any picture")
        try:
            value = os.pread(_descriptor(self.path), size, offset)
        except OSError as error:
            raise BadImage(error.strerror or str(error)) from error
        if len(value) < size:
            raise BadImage("the database ends before its value does")
        return value


@lru_cache(maxsize=4)
def _descriptor(path: Path) -> int:
    """One open file for each process, which the system does not read ahead in: neighbours are not drawn."""
    descriptor = os.open(path, os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
    return descriptor


class Lsun(ImageSource):
    """One category and split, in the order of the keys. Options: `category` (bedroom, …), `split` (train, val).

    The number of images comes from the database's header. Of the rest, the tree's pages are read (1 % of
    the file), and the values that are drawn, each in one piece; nothing else.
    """

    options: ClassVar[dict[str, Option]] = {"category": "", "split": "train"}
    test_split: ClassVar[str] = "val"

    def __init__(self, spec: DatasetSpec, name: str, path: Path | None) -> None:
        super().__init__(spec, name, path)
        self._file = self._database(required(path, name)) / "data.mdb"
        size = self._file.stat().st_size
        try:
            self._tree = open_tree(self._file)
        except DamagedDatabase as error:
            raise UserError(f"{self._file}: data set {name}: not a readable LMDB ({error})") from error
        if self._tree.needed_bytes > size:
            raise UserError(
                f"{self._file}: data set {name}: cut off: {size:,} bytes of at least "
                f"{self._tree.needed_bytes:,}; {FRESH}"
            )
        if self._tree.entries * LEAST_ENTRY > size:
            raise UserError(
                f"{self._file}: data set {name}: its header says {self._tree.entries:,} images, for which "
                f"{size:,} bytes have no room; {FRESH}"
            )
        if not self._tree.entries:
            raise UserError(f"{self._file}: data set {name}: the database is empty")

    def __len__(self) -> int:
        return self._tree.entries

    def items(self, chosen: Indices) -> Iterator[Item]:
        try:
            for value in self._tree.values(iter(chosen.tolist())):
                yield Item(value.key.decode("latin-1"), (value.offset, value.size))
        except DamagedDatabase as error:
            raise UserError(f"{self._file}: data set {self.name}: damaged: {error}; {FRESH}") from error

    def reader(self) -> Reader:
        return ValueReader(self._file)

    def _database(self, root: Path) -> Path:
        """The folder with data.mdb, at `root` or below; a zip in its place is unpacked first."""
        category, split = self.chosen_options["category"], self._one_of("split", ("train", "val"))
        folder = root / f"{category}_{split}_lmdb"
        for place in (root, folder, folder / folder.name):
            if (place / "data.mdb").is_file():
                return place
        archive = root if root.is_file() else folder.with_suffix(".zip")
        if archive.is_file():
            folder = archive.with_suffix("")
            unpack(archive, ("data.mdb",), folder, self.name)
            return folder
        raise UserError(
            f"{root}: data set {self.name}: neither {folder.name}/data.mdb nor {folder.name}.zip there\n"
            f"{self.spec.acquisition}".rstrip()
        )
