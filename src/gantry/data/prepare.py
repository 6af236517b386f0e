"""Prepares a data set: draws its images, makes them square, stores them, says in a manifest what was done."""

import hashlib
import math
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np

from gantry.data.rows import GOES_ON
from gantry.data.sources import SOURCES
from gantry.data.sources.base import ImageSource, Indices, PointSource, Source
from gantry.data.writing import Writer, Written, digest_of_indices, partial_folder
from gantry.errors import UserError
from gantry.files import write_json, write_with
from gantry.plan.dataset import DatasetSpec
from gantry.system.disk import writes_to

FORMAT = 1


def prepare(
    spec: DatasetSpec, name: str, data_root: Path, resolution: int | None, out: Path, workers: int = 1
) -> dict[str, Any]:
    """Write `out`/images.npy (N, H, W, 3) uint8 or points.npy (N, 2) float32, labels.npy if there are any,
    and `out`/manifest.json last; return the manifest.

    The source lies in `data_root`/`spec.path` (an absolute path stays what it is). Rows keep the source's
    order. A preparation that was killed goes on where it stopped; the result does not depend on that, nor
    on `workers`. Raises UserError where data are missing, damaged or not of the expected number.
    """
    source = open_source(spec, name, data_root)
    chosen = draw(len(source), spec.fraction, spec.subset_seed)
    with partial_folder(out) as partial:
        if source.kind == "points":
            written, facts = _points(cast(PointSource, source), chosen, resolution, partial)
        else:
            written, facts = _images(cast(ImageSource, source), chosen, resolution, partial, workers)
        manifest = facts | {
            "format": FORMAT,
            "name": name,
            "title": spec.title,
            "identity": spec.identity(resolution),
            "kind": source.kind,
            "count": written.count,
            "digest": written.digest,
            "indices_digest": digest_of_indices(chosen),
            "source_count": len(source),
            "source_digest": written.source_digest,
            "skipped": written.skipped,
            "labels": written.labels is not None,
            "stand_in": source.stand_in,
            "prepared_with": {package: version(package) for package in ("gantry", "numpy", "pillow")},
        }
        _publish(written, manifest, out)
    return manifest


def open_source(spec: DatasetSpec, name: str, data_root: Path) -> Source:
    """List the source of `spec`; UserError where it is missing (with how to get it) or of a wrong count."""
    source_class = SOURCES[spec.source]
    path = None if spec.is_embedded else Path(data_root).expanduser() / Path(spec.path or name).expanduser()
    if path is not None and not path.exists():
        raise UserError(f"{path}: data set {name} ({spec.title}) is not there\n{spec.acquisition}".rstrip())
    source = source_class(spec, name, path)
    if spec.images is not None and len(source) != spec.images:
        raise UserError(
            f"{path or name}: data set {name}: {len(source):,} images found, {spec.images:,} expected: the "
            "files are incomplete or of another release; get them again, or set `images` to what you have"
        )
    return source


def draw(count: int, fraction: float, seed: int) -> Indices:
    """Ascending positions of ⌊fraction · count⌋ of `count` rows, drawn without replacement."""
    if fraction == 1:
        return np.arange(count)
    # The product of a decimal fraction and a count may fall a rounding error short of a whole number.
    wanted = max(1, math.floor(fraction * count + 1e-6))
    return np.sort(np.random.default_rng(seed).choice(count, wanted, replace=False, shuffle=False))


def _images(
    source: ImageSource, chosen: Indices, resolution: int | None, folder: Path, workers: int
) -> tuple[Written, dict[str, Any]]:
    side = resolution or source.native_resolution
    if side is None:
        raise UserError(f"data set {source.name}: a resolution is needed: its images come in any size")
    written = Writer(source, chosen, side, folder, workers).write()
    shape = [written.count, side, side, 3]
    return written, source.describe() | {"shape": shape, "dtype": "uint8", "crop": source.spec.crop}


def _points(
    source: PointSource, chosen: Indices, resolution: int | None, folder: Path
) -> tuple[Written, dict[str, Any]]:
    if resolution is not None:
        raise UserError(f"data set {source.name}: points have no resolution, {resolution} was asked for")
    points, labels = source.points()[chosen], source.labels()
    path = folder / "points.npy"
    write_with(path, lambda temporary: np.save(temporary, points))
    digest = hashlib.sha256(points.tobytes()).hexdigest()
    written = Written(path, len(points), digest, digest, [], None if labels is None else labels[chosen])
    return written, source.describe() | {"shape": list(points.shape), "dtype": "float32", "crop": None}


def _publish(written: Written, manifest: dict[str, Any], out: Path) -> None:
    """Move the array into place and describe it; no manifest ever stands beside another set's array."""
    with writes_to(out, GOES_ON):
        out.mkdir(parents=True, exist_ok=True)
        for stale in ("manifest.json", "labels.npy", "images.npy", "points.npy"):
            (out / stale).unlink(missing_ok=True)
        written.path.replace(out / written.path.name)
    if written.labels is not None:
        labels = written.labels
        write_with(out / "labels.npy", lambda temporary: np.save(temporary, labels))
    write_json(out / "manifest.json", manifest)
