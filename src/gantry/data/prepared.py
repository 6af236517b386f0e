"""Opens a prepared set and checks that its files are what its manifest says."""

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gantry.arrays import DamagedArray, map_npy
from gantry.data.items import Labels
from gantry.errors import UserError
from gantry.files import read_json

REMEDY = "if Gantry prepared this folder, delete it and prepare it again"
BLOCK = 1 << 22


@dataclass(frozen=True)
class PreparedSet:
    """A prepared set: images (N, H, W, 3) uint8 or points (N, 2) float32, memory-mapped read-only.

    labels: (N,) int64 classes, (N, A) uint8 attributes, each 0 or 1, or (N, V) float32 vectors, (N, M, V) with several
    of each sample; None where there are none.
    inputs: (N, h, w, 3) uint8 or (N, 2) float32, memory-mapped: the inputs of pairs whose targets are the samples.
    """

    folder: Path
    manifest: dict[str, Any]
    samples: np.memmap
    labels: Labels | None
    inputs: np.memmap | None = None

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
    def label_names(self) -> tuple[str, ...]:
        """The classes by number, or the attributes by column; empty where labels are but numbers."""
        return tuple(self.manifest.get("label_names", ()))

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """The shape of one sample as networks see it: (3, H, W) or (2,)."""
        if self.kind == "points":
            return (2,)
        _, height, width, channels = self.samples.shape
        return (channels, height, width)

    def held_out(self) -> "PreparedSet | None":
        """Open the part that was held out; None where none was. UserError if it is not the one of this set."""
        described = self.manifest.get("held_out")
        if described is None:
            return None
        part = open_prepared(self.folder / "held_out/manifest.json")
        if part.digest != described["digest"]:
            raise UserError(f"{part.folder}: held out of another preparation of this set; {REMEDY}")
        return part

    def __len__(self) -> int:
        return len(self.samples)


def open_prepared(manifest: Path) -> PreparedSet:
    """Open the prepared set that `manifest` describes; UserError names the file that does not fit."""
    manifest = Path(manifest)
    described = read_json(manifest, "manifest of a prepared set")
    try:
        kind, shape, dtype = described["kind"], tuple(described["shape"]), np.dtype(described["dtype"])
        labelled, _ = described["labels"], described["digest"]
        inputs = tuple(described["inputs"]["shape"]) if "inputs" in described else None
        columns, kind_of_label = _labels_of(described)
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{manifest}: not the manifest of a prepared set (no {error}); {REMEDY}") from error
    folder = manifest.parent
    samples = _mapped(folder / f"{kind}.npy", shape, dtype)
    if not len(samples):
        raise UserError(f"{manifest}: a set without a single sample; {REMEDY}")
    labels = None
    if labelled:
        labels = np.array(_mapped(folder / "labels.npy", (*shape[:1], *columns), kind_of_label))
    pairs = None if inputs is None else _mapped(folder / "inputs.npy", inputs, dtype)
    return PreparedSet(folder, described, samples, labels, pairs)


def _labels_of(described: dict[str, Any]) -> tuple[tuple[int, ...], np.dtype]:
    """Return the columns and the type of labels: none and integers of classes."""
    if "captions" in described:
        return (described["captions"], described["vectors"]), np.dtype(np.float32)
    for key, kind in (("attributes", np.uint8), ("vectors", np.float32)):
        if key in described:
            return (described[key],), np.dtype(kind)
    return (), np.dtype(np.int64)


def verify_digests(prepared: PreparedSet) -> None:
    """Compare all bytes of a set with its manifest; UserError names the array that has changed since.

    Reads every byte once, in blocks and without the interpreter's lock, so that it may run in a thread.
    """
    manifest = prepared.manifest
    expected: list[tuple[str, Any, str | None]] = [
        (f"{prepared.kind}.npy", prepared.samples, prepared.digest),
        ("labels.npy", prepared.labels, manifest.get("labels_digest")),
        ("inputs.npy", prepared.inputs, manifest.get("inputs", {}).get("digest")),
    ]
    for file, array, digest in expected:
        if array is not None and digest is not None and _digest(array) != digest:
            raise UserError(
                f"{prepared.folder / file}: its bytes are not those that were prepared (their SHA-256 differs from "
                f"the manifest's); {REMEDY}"
            )


def verify_beside(prepared: PreparedSet) -> Future[None]:
    """Do so in a thread; `.result()` waits for it and raises what it found."""
    beside = ThreadPoolExecutor(1, thread_name_prefix="gantry-digests")
    try:
        return beside.submit(verify_digests, prepared)
    finally:
        beside.shutdown(wait=False)


def _digest(array: np.ndarray) -> str:
    digest, content = hashlib.sha256(), np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    for start in range(0, len(content), BLOCK):
        digest.update(content[start : start + BLOCK].data)
    return digest.hexdigest()


def _mapped(path: Path, shape: tuple[int, ...], dtype: np.dtype) -> np.memmap:
    """Map a .npy file, which must hold exactly `shape` and `dtype`."""
    try:
        array = map_npy(path)
    except FileNotFoundError:
        raise UserError(f"{path}: missing from the prepared set; {REMEDY}") from None
    except DamagedArray as error:
        raise UserError(f"{path}: truncated or not a .npy file ({error}); {REMEDY}") from error
    if array.shape != shape or array.dtype != dtype:
        raise UserError(
            f"{path}: holds {array.shape} of {array.dtype}, its manifest says {shape} of {dtype}; {REMEDY}"
        )
    return array
