"""CIFAR-10: the python release and the binary one, packed or unpacked."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np

from gantry.data.archives import FRESH, read_tar, require_all
from gantry.data.items import Indices, Item, Option, Pixels
from gantry.data.pickles import DAMAGE, array_of, list_of, number_of, unpickled
from gantry.data.sources.base import PixelSource
from gantry.data.sources.folder import required
from gantry.errors import UserError
from gantry.plan.dataset import DatasetSpec

# Bytes of one image (3 planes of 32×32), and of the largest file that can be a batch of 10,000.
IMAGE, LIMIT = 3 * 32 * 32, 64_000_000
BATCHES = {"train": tuple(f"data_batch_{i}" for i in range(1, 6)), "test": ("test_batch",)}
CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
# What lies in `path` → the suffix of its files. The first that is there is read.
RELEASES = {
    "cifar-10-batches-py": "",
    "cifar-10-python.tar.gz": "",
    "cifar-10-batches-bin": ".bin",
    "cifar-10-binary.tar.gz": ".bin",
}


def unpickle_batch(content: bytes, source: str) -> tuple[Pixels, list[int]]:
    """(planes (N, 3072), labels) of one pickled batch, without executing anything that it names."""
    try:
        batch = unpickled(content, "bytes")
        labels = [number_of(label) for label in list_of(batch[b"labels"])]
        planes = array_of(batch[b"data"])
        is_batch = planes.ndim == 2 and planes.shape[1] == IMAGE and planes.dtype == np.uint8
        if not is_batch or not planes.flags.c_contiguous:
            raise ValueError(f"an array of shape {planes.shape} and type {planes.dtype}")
    except DAMAGE as error:
        raise UserError(f"{source}: not a batch of CIFAR-10: {error}; {FRESH}") from error
    return planes, labels


def read_binary_batch(content: bytes, source: str) -> tuple[Pixels, list[int]]:
    """(planes (N, 3072), labels) of one file of the binary release: a label and the planes for each image."""
    if not content or len(content) % (1 + IMAGE):
        raise UserError(f"{source}: {len(content):,} bytes, not a multiple of {1 + IMAGE}: cut off; {FRESH}")
    records = np.frombuffer(content, np.uint8).reshape(-1, 1 + IMAGE)
    return records[:, 1:], records[:, 0].tolist()


READERS: dict[str, Callable[[bytes, str], tuple[Pixels, list[int]]]] = {
    "": unpickle_batch,
    ".bin": read_binary_batch,
}


class Cifar10(PixelSource):
    """32×32 images in the original order, with labels. Option: `split` (train, test)."""

    native_resolution = 32
    options: ClassVar[dict[str, Option]] = {"split": "train"}
    test_split: ClassVar[str] = "test"

    def __init__(self, spec: DatasetSpec, name: str, path: Path | None) -> None:
        super().__init__(spec, name, path)
        place, suffix = self._release(required(path, name))
        files = tuple(batch + suffix for batch in BATCHES[self._one_of("split", tuple(BATCHES))])
        contents = self._read(place, files)
        batches = [READERS[suffix](contents[file], f"{place}: {file}") for file in files]
        self._planes = [planes for planes, _ in batches]
        self._labels = [label for _, labels in batches for label in labels]
        self._starts = np.cumsum([0] + [len(planes) for planes in self._planes])
        if len(self._labels) != len(self) or not set(self._labels) <= set(range(10)):
            raise UserError(f"{place}: data set {name}: labels and images do not fit together; {FRESH}")

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def label_names(self) -> tuple[str, ...]:
        return CLASSES

    def items(self, chosen: Indices) -> Iterator[Item]:
        for i in chosen.tolist():
            batch = int(np.searchsorted(self._starts, i, side="right")) - 1
            planes = self._planes[batch][i - self._starts[batch]]
            pixels = np.ascontiguousarray(planes.reshape(3, 32, 32).transpose(1, 2, 0))
            yield Item(f"image {i}", pixels, self._labels[i])

    def _release(self, root: Path) -> tuple[Path, str]:
        """Which release is there, and the suffix of its files; `path` may also name it itself."""
        for place in (root, *(root / release for release in RELEASES)):
            if place.name in RELEASES and place.exists():
                return place, RELEASES[place.name]
        raise UserError(
            f"{root}: data set {self.name}: none of {', '.join(RELEASES)} there\n{self.spec.acquisition}".rstrip()
        )

    def _read(self, place: Path, files: tuple[str, ...]) -> dict[str, bytes]:
        if place.is_file():
            return read_tar(place, files, LIMIT, self.name)
        there = {file for file in files if (place / file).is_file()}
        require_all(there, files, place, self.name)
        for file in files:
            if (place / file).stat().st_size > LIMIT:
                raise UserError(f"{place / file}: data set {self.name}: too large for a batch of CIFAR-10")
        return {file: (place / file).read_bytes() for file in files}
