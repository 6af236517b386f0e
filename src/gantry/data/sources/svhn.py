"""SVHN's cropped digits (format 2): one .mat file a split."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np

from gantry.data.archives import FRESH
from gantry.data.items import Indices, Item, Option
from gantry.data.sources.base import PixelSource
from gantry.data.sources.folder import required
from gantry.errors import UserError
from gantry.plan.dataset import DatasetSpec

# Twice the largest of the distribution's parts, which has 531,131.
MOST = 1_000_000


class Svhn(PixelSource):
    """32×32 house numbers with labels 0 to 9. Option: `split` (train, test)."""

    native_resolution = 32
    options: ClassVar[dict[str, Option]] = {"split": "train"}
    test_split: ClassVar[str] = "test"

    def __init__(self, spec: DatasetSpec, name: str, path: Path | None) -> None:
        super().__init__(spec, name, path)
        root = required(path, name)
        file = root / f"{self._one_of('split', ('train', 'test'))}_32x32.mat" if root.is_dir() else root
        if not file.is_file():
            raise UserError(f"{file}: data set {name}: not there\n{spec.acquisition}".rstrip())
        self._images, labels = _read(file, name)
        # The distribution writes the digit 0 as 10.
        self._labels = labels % 10

    def __len__(self) -> int:
        return self._images.shape[3]

    def items(self, chosen: Indices) -> Iterator[Item]:
        for i in chosen.tolist():
            yield Item(f"image {i}", np.ascontiguousarray(self._images[..., i]), int(self._labels[i]))


def _read(file: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """X (32, 32, 3, N) uint8 and y (N,) of a .mat file."""
    from scipy.io import loadmat, whosmat

    try:
        # Shapes first: a small file may unpack to anything.
        shapes = {found: (shape, kind) for found, shape, kind in whosmat(file)}
        (shape, kind), count = shapes["X"], int(np.prod(shapes["y"][0]))
        if (
            len(shape) != 4
            or shape[:3] != (32, 32, 3)
            or kind != "uint8"
            or count != shape[3]
            or count > MOST
        ):
            raise UserError(
                f"{file}: data set {name}: X is {shape} of {kind} and y has {count:,} values; expected "
                f"(32, 32, 3, N) of uint8 and N values from 1 to 10, N at most {MOST:,}"
            )
        content = loadmat(file, variable_names=("X", "y"))
        images, labels = content["X"], content["y"].reshape(-1).astype(np.int64)
    except UserError:
        raise
    except Exception as error:  # SciPy raises whatever its parser trips over
        said = str(error) or type(error).__name__
        raise UserError(f"{file}: data set {name}: not SVHN's .mat, or cut off ({said}); {FRESH}") from error
    if images.shape != shape or not ((labels >= 1) & (labels <= 10)).all():
        raise UserError(f"{file}: data set {name}: labels y are not all from 1 to 10")
    return images, labels
