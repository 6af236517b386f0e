"""LSUN's categories: an LMDB of image files each, of which only the drawn ones are read."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import lmdb

from gantry.data.archives import unpack
from gantry.data.sources.base import BadImage, ImageSource, Indices, Item, Option, Reader
from gantry.data.sources.folder import required
from gantry.errors import UserError
from gantry.plan.recipe import DatasetSpec


@dataclass(frozen=True)
class LmdbReader:
    """Reads the values of keys."""

    folder: Path

    def __call__(self, content: bytes) -> bytes:
        try:
            with _environment(self.folder).begin() as transaction:
                value = transaction.get(content)
        except lmdb.Error as error:
            raise BadImage(f"cannot be read: {error}") from error
        if value is None:
            raise BadImage("the database lists this key and has no value for it")
        return bytes(value)


@lru_cache(maxsize=4)
def _environment(folder: Path) -> Any:
    """One open database for each process.

    Without read-ahead: it reads the neighbours of each image, which were not drawn.
    """
    return lmdb.open(str(folder), readonly=True, lock=False, readahead=False)


class Lsun(ImageSource):
    """One category and split, in the order of the keys. Options: `category` (bedroom, …), `split` (train, val).

    The number of images comes from the database's header. The keys drawn are found by walking the keys,
    without their values: in LSUN's databases these lie on pages of their own. That reads the leaf pages,
    about 1 % of the file, which finding a tenth of the values would read as well.
    """

    options: ClassVar[dict[str, Option]] = {"category": "", "split": "train"}

    def __init__(self, spec: DatasetSpec, name: str, path: Path | None) -> None:
        super().__init__(spec, name, path)
        self._folder = self._database(required(path, name))
        size = (self._folder / "data.mdb").stat().st_size
        try:
            environment = _environment(self._folder)
            pages = environment.info()["last_pgno"] + 1
            self._count = environment.stat()["entries"]
            page_size = environment.stat()["psize"]
        except lmdb.Error as error:
            raise UserError(f"{self._folder}: data set {name}: not a readable LMDB ({error})") from error
        if pages * page_size > size:
            # Reading beyond the end of a mapped file kills the process.
            raise UserError(
                f"{self._folder / 'data.mdb'}: data set {name}: cut off: {size:,} bytes of at least "
                f"{pages * page_size:,}; get it again"
            )
        if not self._count:
            raise UserError(f"{self._folder}: data set {name}: the database is empty")

    def __len__(self) -> int:
        return int(self._count)

    def items(self, chosen: Indices) -> Iterator[Item]:
        wanted = iter(chosen.tolist())
        following = next(wanted, None)
        with _environment(self._folder).begin() as transaction:
            for position, key in enumerate(transaction.cursor().iternext(keys=True, values=False)):
                if position == following:
                    yield Item(key.decode("latin-1"), key)
                    following = next(wanted, None)
                    if following is None:
                        return

    def reader(self) -> Reader:
        return LmdbReader(self._folder)

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
