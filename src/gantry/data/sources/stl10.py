"""STL-10's binary release: the folder stl10_binary, or its archive, which is unpacked once."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np

from gantry.data.archives import FRESH, unpack
from gantry.data.items import Indices, Item, Option
from gantry.data.sources.base import PixelSource
from gantry.data.sources.folder import required
from gantry.errors import UserError
from gantry.plan.dataset import DatasetSpec

SHAPE = (3, 96, 96)
CLASSES = (
    *("airplane", "bird", "car", "cat", "deer"),
    *("dog", "horse", "monkey", "ship", "truck"),
)
SPLITS = {
    "train": ("train",),
    "test": ("test",),
    "unlabeled": ("unlabeled",),
    "train+unlabeled": ("train", "unlabeled"),
}


class Stl10(PixelSource):
    """96×96 images. Option: `split`; train and test have labels 0 to 9."""

    native_resolution = 96
    options: ClassVar[dict[str, Option]] = {"split": "train+unlabeled"}
    test_split: ClassVar[str] = "test"

    def __init__(self, spec: DatasetSpec, name: str, path: Path | None) -> None:
        super().__init__(spec, name, path)
        parts = SPLITS[self._one_of("split", tuple(SPLITS))]
        labelled = "unlabeled" not in parts
        files = tuple(f"{part}_X.bin" for part in parts) + (f"{parts[0]}_y.bin",) * labelled
        folder = self._folder(required(path, name), files)
        self._parts = [_mapped(folder / f"{part}_X.bin", name) for part in parts]
        self._starts = np.cumsum([0] + [len(part) for part in self._parts])
        self._labels = np.fromfile(folder / files[-1], np.uint8) if labelled else None
        if self._labels is not None and len(self._labels) != len(self):
            raise UserError(
                f"{folder / files[-1]}: data set {name}: {len(self._labels):,} labels for {len(self):,} images"
            )
        if self._labels is not None and not ((self._labels >= 1) & (self._labels <= 10)).all():
            raise UserError(
                f"{folder / files[-1]}: data set {name}: labels that are not from 1 to 10; {FRESH}"
            )

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def label_names(self) -> tuple[str, ...]:
        return CLASSES

    def items(self, chosen: Indices) -> Iterator[Item]:
        for i in chosen.tolist():
            part = int(np.searchsorted(self._starts, i, side="right")) - 1
            # Planes are stored column by column.
            pixels = np.ascontiguousarray(self._parts[part][i - self._starts[part]].transpose(2, 1, 0))
            yield Item(f"image {i}", pixels, None if self._labels is None else int(self._labels[i]) - 1)

    def _folder(self, root: Path, files: tuple[str, ...]) -> Path:
        """The folder that holds `files`; the archive is unpacked beside itself where they are missing."""
        for place in (root, root / "stl10_binary"):
            if all((place / file).is_file() for file in files):
                return place
        archive = root if root.is_file() else root / "stl10_binary.tar.gz"
        if archive.is_file():
            folder = archive.parent / "stl10_binary"
            unpack(archive, files, folder, self.name)
            return folder
        raise UserError(
            f"{root}: data set {self.name}: neither stl10_binary with {', '.join(files)} nor stl10_binary.tar.gz "
            f"there\n{self.spec.acquisition}".rstrip()
        )


def _mapped(file: Path, name: str) -> np.ndarray:
    """(N, 3, 96, 96) of one file, memory-mapped."""
    size = int(np.prod(SHAPE))
    if not file.stat().st_size or file.stat().st_size % size:
        raise UserError(f"{file}: data set {name}: cut off: not a multiple of {size:,} bytes; {FRESH}")
    return np.memmap(file, np.uint8, mode="r").reshape(-1, *SHAPE)
