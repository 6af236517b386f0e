"""Opens a prepared set and checks that its files are what its manifest says."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantry.errors import UserError
from gantry.files import read_json

REMEDY = "delete its folder and prepare it again"


@dataclass(frozen=True)
class PreparedSet:
    """A prepared set: images (N, H, W, 3) uint8 or points (N, 2) float32, memory-mapped read-only."""

    folder: Path
    manifest: dict[str, Any]
    samples: np.memmap
    labels: NDArray[np.int64] | None

    @property
    def name(self) -> str:
        """The data set's name."""
        return str(self.manifest["name"])

    @property
    def kind(self) -> str:
        """Either "images" or "points"."""
        return str(self.manifest["kind"])

    @property
    def digest(self) -> str:
        """The SHA-256 of the samples' bytes."""
        return str(self.manifest["digest"])

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """The shape of one sample as networks see it: (3, H, W) or (2,)."""
        if self.kind == "points":
            return (2,)
        _, height, width, channels = self.samples.shape
        return (channels, height, width)

    def __len__(self) -> int:
        return len(self.samples)


def open_prepared(manifest: Path) -> PreparedSet:
    """Open the prepared set that `manifest` describes; UserError names the file that does not fit."""
    manifest = Path(manifest)
    described = read_json(manifest, "manifest of a prepared set")
    try:
        kind, shape, dtype = described["kind"], tuple(described["shape"]), np.dtype(described["dtype"])
        labelled, _ = described["labels"], described["digest"]
    except (KeyError, TypeError) as error:
        raise UserError(f"{manifest}: not the manifest of a prepared set (no {error}); {REMEDY}") from error
    samples = _mapped(manifest.parent / f"{kind}.npy", shape, dtype)
    labels = _mapped(manifest.parent / "labels.npy", shape[:1], np.dtype(np.int64)) if labelled else None
    return PreparedSet(manifest.parent, described, samples, None if labels is None else np.array(labels))


def _mapped(path: Path, shape: tuple[int, ...], dtype: np.dtype) -> np.memmap:
    """Map a .npy file, which must hold exactly `shape` and `dtype`."""
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError:
        raise UserError(f"{path}: missing from the prepared set; {REMEDY}") from None
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path}: truncated or not a .npy file ({error}); {REMEDY}") from error
    if array.shape != shape or array.dtype != dtype:
        raise UserError(
            f"{path}: holds {array.shape} of {array.dtype}, its manifest says {shape} of {dtype}; {REMEDY}"
        )
    return array
