"""A NumPy file: images (N, H, W, 3), (N, H, W, 1) or (N, H, W) of uint8, or points (N, 2) of floats.

Beside it, where the options name one, a file of labels: classes (N,) of whole numbers, attributes (N, A), each 0 or 1,
or `vectors` (N, V) of floats, such as embedded captions; (N, M, V) where each sample has M of them.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from gantry.arrays import DamagedArray, described, images_among, is_images, map_npy, read_npz
from gantry.data.items import Indices, Item, Label, Labels, Option
from gantry.data.sources.base import PixelSource, PointSource
from gantry.data.sources.folder import required
from gantry.errors import UserError
from gantry.plan.dataset import DatasetSpec

EXPECTED = (
    "expected images (N, H, W, 3), (N, H, W, 1) or (N, H, W) of uint8, or points (N, 2) of float32 or float64"
)


class Array(PixelSource, PointSource):
    """One .npy file, memory-mapped; or the one array of images in an .npz."""

    options: ClassVar[dict[str, Option]] = {"labels": "", "vectors": ""}

    def __init__(self, spec: DatasetSpec, name: str, path: Path | None) -> None:
        super().__init__(spec, name, path)
        self._file = required(path, name)
        self._array = load_array(self._file, name)
        shape, dtype = self._array.shape, self._array.dtype
        self._is_points = len(shape) == 2 and shape[1] == 2 and dtype in (np.float32, np.float64)
        if not (self._is_points or is_images(self._array)) or 0 in shape:
            raise UserError(
                f"{self._file}: data set {name}: an array of shape {shape} and dtype {dtype}; {EXPECTED}"
            )
        if self._is_points and not np.isfinite(self._array).all():
            raise UserError(f"{self._file}: data set {name}: some of the points are NaN or infinite")
        self._labels = self._read_labels()

    def _read_labels(self) -> Labels | None:
        """The labels of all rows, from the file that options name; UserError for what are none."""
        given = {key: str(self.chosen_options[key]) for key in ("labels", "vectors")}
        chosen = [key for key, file in given.items() if file]
        if len(chosen) > 1:
            raise UserError(
                f"data set {self.name}: options: labels and vectors are both conditions: give one of them"
            )
        if not chosen:
            return None
        key, file = chosen[0], self._file.parent / given[chosen[0]]
        where = f"{file}: data set {self.name}: options.{key}"
        found = load_array(file, f"{self.name}: options.{key}")
        if len(found) != len(self) or found.ndim not in ((1, 2, 3) if key == "vectors" else (1, 2)):
            raise UserError(
                f"{where}: shape {found.shape}, but there are {len(self):,} samples: a row for each"
            )
        if key == "vectors":
            return _vectors(found, where)
        return _classes(found, where) if found.ndim == 1 else _attributes(found, where)

    @property
    def kind(self) -> str:
        return "points" if self._is_points else "images"

    def __len__(self) -> int:
        return len(self._array)

    def points(self) -> NDArray[np.float32]:
        return np.asarray(self._array, dtype=np.float32)

    def labels(self) -> Labels | None:
        return self._labels

    def items(self, chosen: Indices) -> Iterator[Item]:
        for i in chosen:
            image = np.ascontiguousarray(self._array[i])
            grey = image.ndim == 2 or image.shape[2] == 1
            pixels = np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2) if grey else image
            yield Item(f"row {i}", pixels, self._label(i))

    def _label(self, row: int) -> Label | None:
        if self._labels is None:
            return None
        own = self._labels[row]
        if own.dtype == np.float32:
            return own
        return int(own) if own.ndim == 0 else tuple(int(number) for number in own)


def _vectors(found: NDArray, where: str) -> NDArray[np.float32]:
    if found.ndim not in (2, 3) or 0 in found.shape or found.dtype not in (np.float32, np.float64):
        raise UserError(
            f"{where}: an array of shape {found.shape} and dtype {found.dtype}: vectors are (N, V) of float32 or "
            "float64, or (N, M, V) with M of each sample; classes and attributes go to options.labels"
        )
    if not np.isfinite(found).all():
        raise UserError(f"{where}: some of the vectors hold NaN or infinity: mend or leave out those rows")
    if (found == found[0]).all():
        raise UserError(f"{where}: all {len(found):,} vectors are the same: is this the right file?")
    return np.asarray(found, dtype=np.float32)


def _classes(found: NDArray, where: str) -> NDArray[np.int64]:
    if found.dtype.kind not in "iu" or found.min() < 0:
        raise UserError(
            f"{where}: classes are whole numbers from 0 (dtype {found.dtype}, smallest {found.min()}): number them anew"
        )
    values = np.unique(found)
    if len(values) == 1:
        raise UserError(f"{where}: all {len(found):,} labels are {values[0]}: is this the right file?")
    return found.astype(np.int64)


def _attributes(found: NDArray, where: str) -> NDArray[np.uint8]:
    if not np.isin(found, (0, 1)).all():
        raise UserError(
            f"{where}: attributes are 0 or 1 each; vectors of other numbers go to options.vectors"
        )
    return found.astype(np.uint8)


def load_array(path: Path, named: str) -> NDArray:
    """Memory-map a .npy file, or read the images of an .npz; arrays of Python objects are refused.

    UserError says what the file holds, where that is not what is expected.
    """
    where = f"{path}: data set {named}"
    try:
        if not zipfile.is_zipfile(path):
            return map_npy(path)
        arrays = read_npz(path)
    except DamagedArray as error:
        raise UserError(f"{where}: not a whole {path.suffix or '.npy'} file ({error})") from error
    except OSError as error:
        raise UserError(f"{where}: cannot be read: {error.strerror or error}") from error
    images = images_among(arrays)
    if images is None:
        raise UserError(
            f"{where}: holds {described(arrays)}; expected one array of images (N, H, W, 3) of uint8"
        )
    return images
