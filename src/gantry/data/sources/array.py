"""A NumPy file: images (N, H, W, 3), (N, H, W, 1) or (N, H, W) of uint8, or points (N, 2) of floats."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gantry.arrays import DamagedArray, described, images_among, is_images, map_npy, read_npz
from gantry.data.items import Indices, Item, Reader
from gantry.data.sources.base import ImageSource, PointSource, pixels_as_they_are
from gantry.data.sources.folder import required
from gantry.errors import UserError
from gantry.plan.dataset import DatasetSpec

EXPECTED = (
    "expected images (N, H, W, 3), (N, H, W, 1) or (N, H, W) of uint8, or points (N, 2) of float32 or float64"
)


class Array(ImageSource, PointSource):
    """One .npy file, memory-mapped; or the one array of images in an .npz."""

    encoded = False

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

    @property
    def kind(self) -> str:
        return "points" if self._is_points else "images"

    def __len__(self) -> int:
        return len(self._array)

    def points(self) -> NDArray[np.float32]:
        return np.asarray(self._array, dtype=np.float32)

    def items(self, chosen: Indices) -> Iterator[Item]:
        for i in chosen:
            image = np.ascontiguousarray(self._array[i])
            grey = image.ndim == 2 or image.shape[2] == 1
            pixels = np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2) if grey else image
            yield Item(f"row {i}", pixels)

    def reader(self) -> Reader:
        return pixels_as_they_are


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
