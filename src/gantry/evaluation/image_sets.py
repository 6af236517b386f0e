"""Images as a person has them: a folder, an array, a prepared set, or only the stored statistics of a set."""

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantry.arrays import DamagedArray, described, images_among, is_images, map_npy, read_npz
from gantry.data import PreparedSet, open_prepared
from gantry.data.decoding import decode
from gantry.data.items import BadImage
from gantry.data.listing import Listing, list_images
from gantry.errors import UserError
from gantry.evaluation.stored import StoredStatistics
from gantry.files import read_mapping
from gantry.metrics.checks import images_of


@dataclass(frozen=True)
class ImageArray:
    """uint8 images (N, H, W, 3) in memory or memory-mapped."""

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[Any] | None = None
    """The class that each image was asked to be, (N,), where that is known."""
    prepared: PreparedSet | None = None
    """The prepared set whose images they are."""

    def __len__(self) -> int:
        return len(self.images)

    def batches(self, size: int) -> Iterator[Tensor]:
        """Yield uint8 batches (≤ size, H, W, 3)."""
        for start in range(0, len(self.images), size):
            yield torch.from_numpy(np.array(self.images[start : start + size]))

    def array(self) -> NDArray[np.uint8]:
        """All images as one array."""
        return self.images


@dataclass(frozen=True)
class ImageFolder:
    """The image files in a folder and below it, or in a zip, as `gantry prepare` lists and reads them.

    Of any sizes, in order of their names, read as they are needed.
    """

    name: str
    listing: Listing

    def __len__(self) -> int:
        return len(self.listing.files)

    def batches(self, size: int) -> Iterator[Tensor]:
        """Yield uint8 batches (≤ size, H, W, 3) of neighbouring files of one size."""
        waiting: list[Tensor] = []
        for file in self.listing.files:
            image = self._read(file)
            if waiting and (len(waiting) == size or image.shape != waiting[0].shape):
                yield torch.stack(waiting)
                waiting = []
            waiting.append(image)
        yield torch.stack(waiting)

    def array(self) -> NDArray[np.uint8]:
        """All images as one array; UserError that names the first file of another size than the first."""
        files = self.listing.files
        first = self._read(files[0])
        images = np.empty((len(files), *first.shape), dtype=np.uint8)
        for index, file in enumerate(files):
            image = self._read(file)
            if image.shape != first.shape:
                raise UserError(
                    f"{self.name}/{file[0]}: {image.shape[1]}×{image.shape[0]} pixels, {files[0][0]} has "
                    f"{first.shape[1]}×{first.shape[0]}; this metric needs images of one size"
                )
            images[index] = image.numpy()
        return images

    def _read(self, file: tuple[str, Any]) -> Tensor:
        """One image as RGB uint8 (H, W, 3), or UserError that names it."""
        name, content = file
        try:
            return decode(self.listing.reader(content)).pixels  # type: ignore[arg-type]
        except BadImage as error:
            raise UserError(
                f"{self.name}/{name}: the image cannot be read: {error}; replace it or leave it out"
            ) from error


ImageSet = ImageArray | ImageFolder


def open_set(
    source: Path | NDArray[np.uint8] | ImageSet | StoredStatistics, name: str = "array"
) -> ImageSet | StoredStatistics:
    """Open what `source` names: a folder or zip of images, .npy or .npz of uint8 images, a prepared set, statistics.

    A prepared set is its folder or its manifest.json; statistics are an .npz that `StoredStatistics.save`
    wrote, or another program's mu and sigma, or clean-fid's features. What is open stays as it is. Raises UserError
    that names the path.
    """
    if isinstance(source, ImageArray | ImageFolder | StoredStatistics):
        return source
    if not isinstance(source, Path):
        return ImageArray(name, images_of(source, name))
    if not source.exists():
        raise UserError(f"{source}: no such file or folder")
    if source.is_dir():
        manifest = source / "manifest.json"
        return _prepared(manifest) if "kind" in read_mapping(manifest) else _folder(source)
    suffix = source.suffix.lower()
    if suffix not in READERS:
        known = ", ".join(READERS)
        raise UserError(
            f"{source}: expected a folder, or one of {known}; found a file {suffix or 'without a suffix'}"
        )
    return READERS[suffix](source)


def _folder(place: Path) -> ImageFolder:
    return ImageFolder(str(place), list_images(place, str(place)))


def _array(path: Path) -> ImageArray | StoredStatistics:
    if zipfile.is_zipfile(path):  # an .npz under another name
        return _npz(path)
    try:
        return ImageArray(str(path), _as_rgb(map_npy(path), str(path)))
    except (DamagedArray, OSError) as error:
        raise UserError(f"{path}: not a readable .npy file ({error})") from error


def _as_rgb(array: NDArray, what: str) -> NDArray[np.uint8]:
    """uint8 images (N, H, W, 3) as they are, greys (N, H, W) or (N, H, W, 1) three times; UserError for others."""
    if is_images(array) and array.shape[3:] != (3,):
        array = np.repeat(array.reshape(*array.shape[:3], 1), 3, axis=3)
    return images_of(array, what)


def _npz(path: Path) -> ImageArray | StoredStatistics:
    """Statistics, ours or another program's, or the one array of images that samplers write."""
    try:
        arrays = read_npz(path)
    except (DamagedArray, OSError) as error:
        raise UserError(f"{path}: not a readable .npz file ({error})") from error
    if StoredStatistics.holds(arrays):
        return StoredStatistics.load(path)
    images = images_among(arrays)
    if images is None:
        raise UserError(
            f"{path}: holds {described(arrays)}; expected one array of uint8 images (N, H, W, 3), or statistics: "
            "mean and covariance, or mu and sigma"
        )
    return ImageArray(str(path), _as_rgb(images, str(path)), arrays.get("labels"))


def _prepared(manifest: Path) -> ImageArray:
    prepared = open_prepared(manifest)
    if prepared.kind != "images":
        raise UserError(f"{manifest}: holds points; gantry score is for images")
    return ImageArray(prepared.manifest["name"], prepared.samples, prepared.labels, prepared)


READERS: dict[str, Callable[[Path], ImageSet | StoredStatistics]] = {
    ".npy": _array,
    ".npz": _npz,
    ".json": _prepared,
    ".zip": _folder,
}
