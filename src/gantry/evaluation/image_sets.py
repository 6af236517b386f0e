"""Images as a person has them: a folder, an array, a prepared set, or only the stored statistics of a set."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from gantry.data import open_prepared
from gantry.errors import UserError
from gantry.evaluation.stored import StoredStatistics
from gantry.metrics.checks import images_of

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm", ".tif", ".tiff"})


@dataclass(frozen=True)
class ImageArray:
    """uint8 images (N, H, W, 3) in memory or memory-mapped."""

    name: str
    images: NDArray[np.uint8]

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
    """The image files under a folder, in order of their names; of any sizes, read as they are needed."""

    name: str
    files: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.files)

    def batches(self, size: int) -> Iterator[Tensor]:
        """Yield uint8 batches (≤ size, H, W, 3) of neighbouring files of one size."""
        waiting: list[NDArray[np.uint8]] = []
        for file in self.files:
            image = read_image(file)
            if waiting and (len(waiting) == size or image.shape != waiting[0].shape):
                yield torch.from_numpy(np.stack(waiting))
                waiting = []
            waiting.append(image)
        yield torch.from_numpy(np.stack(waiting))

    def array(self) -> NDArray[np.uint8]:
        """All images as one array; UserError that names the first file of another size than the first."""
        first = read_image(self.files[0])
        images = np.empty((len(self.files), *first.shape), dtype=np.uint8)
        for index, file in enumerate(self.files):
            image = read_image(file)
            if image.shape != first.shape:
                raise UserError(
                    f"{file}: {image.shape[1]}×{image.shape[0]} pixels, {self.files[0].name} has "
                    f"{first.shape[1]}×{first.shape[0]}; this metric needs images of one size"
                )
            images[index] = image
        return images


ImageSet = ImageArray | ImageFolder


def open_set(source: Path | NDArray[np.uint8], name: str = "array") -> ImageSet | StoredStatistics:
    """Open what `source` names: a folder of images, a .npy of uint8 (N, H, W, 3), a prepared set, statistics.

    A prepared set is its folder or its manifest.json; statistics are an .npz that `StoredStatistics.save`
    wrote. Raises UserError that names the path.
    """
    if not isinstance(source, Path):
        return ImageArray(name, images_of(source, name))
    if not source.exists():
        raise UserError(f"{source}: no such file or folder")
    if source.is_dir():
        return (
            _prepared(source / "manifest.json") if (source / "manifest.json").is_file() else _folder(source)
        )
    if source.suffix not in READERS:
        raise UserError(f"{source}: expected a folder, .npy, manifest.json, or .npz of stored statistics")
    return READERS[source.suffix](source)


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read one image as RGB uint8 (H, W, 3), or raise UserError that names it."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, UnidentifiedImageError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: the image cannot be read ({error}); remove or replace it") from error


def _folder(folder: Path) -> ImageFolder:
    files = tuple(sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES))
    if not files:
        raise UserError(f"{folder}: no images here ({', '.join(sorted(SUFFIXES))})")
    return ImageFolder(str(folder), files)


def _array(path: Path) -> ImageArray:
    try:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path}: not a readable .npy file ({error})") from error
    images_of(images, str(path))
    return ImageArray(str(path), images)


def _prepared(manifest: Path) -> ImageArray:
    prepared = open_prepared(manifest)
    if prepared.kind != "images":
        raise UserError(f"{manifest}: holds points; scoring by hand is for images")
    return ImageArray(prepared.manifest["name"], prepared.samples)


READERS: dict[str, Callable[[Path], ImageSet | StoredStatistics]] = {
    ".npy": _array,
    ".npz": StoredStatistics.load,
    ".json": _prepared,
}
