"""Prepares a data set: draws its images, makes them square, stores them, says in a manifest what was done."""

import hashlib
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np

from gantry.data.items import Indices
from gantry.data.listing import in_words
from gantry.data.parts import in_parts, open_source, place_of
from gantry.data.sources.base import ImageSource, PointSource, Source
from gantry.data.writing import Writer, Written, WrittenInputs, digest_of_indices, partial_folder
from gantry.errors import UserError
from gantry.files import write_json, write_with
from gantry.plan.dataset import DatasetSpec
from gantry.plan.raw import Entry, entries_of, listing
from gantry.system.disk import writes_to
from gantry.system.download import GOES_ON

FORMAT = 1


def prepare(
    spec: DatasetSpec, name: str, data_root: Path, resolution: int | None, out: Path, workers: int = 1
) -> dict[str, Any]:
    """Write `out`/images.npy (N, H, W, 3) uint8 or points.npy (N, 2) float32, and `out`/manifest.json last.

    Beside them, where there are any: labels.npy, (N,) int64, (N, A) uint8, (N, V) or (N, M, V) float32; inputs.npy, the
    inputs of pairs, row by row; and `out`/held_out, a second part of the same format. Returns the manifest.

    The source lies in `data_root`/`spec.path` (an absolute path stays what it is). Rows keep the source's
    order. A preparation that was killed goes on where it stopped; the result does not depend on that, nor
    on `workers`. Raises UserError where data are missing, damaged or not of the expected number.
    """
    place = place_of(spec, name, data_root)
    before = [] if place is None else entries_of(place, spec.looks_for, spec.beside)
    source = open_source(spec, name, data_root)
    _say_left_out(source)
    parts = in_parts(source, data_root)
    with partial_folder(out) as partial:
        aside = partial / "held_out"
        held_out = None
        if parts.held_out is not None:
            aside.mkdir(exist_ok=True)
            held_out = _written(*parts.held_out, resolution, aside, workers)
        written, manifest = _written(source, parts.chosen, resolution, partial, workers)
        _unpublish(out)
        if held_out is not None:
            kept, described = held_out
            _publish(kept, described | {"part": "held_out"}, out / "held_out")
            manifest |= {"held_out": {key: described[key] for key in ("count", "digest")}}
        manifest |= {"listing": _listing(place, before, spec)}
        _publish(written, manifest, out)
    return manifest


def _listing(place: Path | None, before: list[Entry], spec: DatasetSpec) -> dict[str, Any] | None:
    """The raw files as they were when preparation began, with what a source itself has unpacked since."""
    if place is None:
        return None
    after = entries_of(place, spec.looks_for, spec.beside)
    return listing(after if set(before) <= set(after) else before)


def _written(
    source: Source, chosen: Indices, resolution: int | None, folder: Path, workers: int
) -> tuple[Written, dict[str, Any]]:
    """Write one part into `folder`; return it and its manifest."""
    if source.kind == "points":
        written, facts = _points(cast(PointSource, source), chosen, resolution, folder)
    else:
        written, facts = _images(cast(ImageSource, source), chosen, resolution, folder, workers)
    return written, facts | {
        "format": FORMAT,
        "name": source.name,
        "title": source.spec.title,
        "identity": source.spec.identity(resolution),
        "kind": source.kind,
        "count": written.count,
        "digest": written.digest,
        "indices_digest": digest_of_indices(chosen),
        "source_count": len(source),
        "source_digest": written.source_digest,
        "skipped": written.skipped,
        "labels": written.labels is not None,
        "proxy": source.is_proxy,
        "prepared_with": {package: version(package) for package in ("gantry", "numpy", "pillow")},
    } | _where_there_are_any(source, written)


def _where_there_are_any(source: Source, written: Written) -> dict[str, Any]:
    """What only some manifests say."""
    facts: dict[str, Any] = {"conversions": written.conversions, "left_out": dict(source.left_out)}
    if written.labels is not None:
        facts["labels_digest"] = hashlib.sha256(written.labels.tobytes()).hexdigest()
        facts["label_names"] = list(source.label_names)
        if written.labels.ndim > 1:
            kind = "vectors" if written.labels.dtype == np.float32 else "attributes"
            facts[kind] = written.labels.shape[-1]
        if written.labels.ndim == 3:
            facts["captions"] = written.labels.shape[1]
    if written.inputs is not None:
        shape = [written.count, *written.inputs.shape]
        facts["inputs"] = {"shape": shape, "digest": written.inputs.digest}
    return {key: value for key, value in facts.items() if value}


def _say_left_out(source: Source) -> None:
    if source.left_out:
        print(f"gantry: data set {source.name}: left out: {in_words(source.left_out)}", file=sys.stderr)


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
    inputs = _inputs_of_points(source, chosen, folder)
    own = None if labels is None else labels[chosen]
    written = Written(path, len(points), digest, digest, [], own, inputs=inputs)
    return written, source.describe() | {"shape": list(points.shape), "dtype": "float32", "crop": None}


def _inputs_of_points(source: PointSource, chosen: Indices, folder: Path) -> WrittenInputs | None:
    """Write the inputs of points that are the targets of pairs, row by row."""
    inputs = source.inputs()
    if inputs is None:
        return None
    rows, path = inputs[chosen], folder / "inputs.npy"
    write_with(path, lambda temporary: np.save(temporary, rows))
    return WrittenInputs(path, rows.shape[1:], hashlib.sha256(rows.tobytes()).hexdigest())


def _unpublish(out: Path) -> None:
    """Take away what an earlier preparation left: no manifest ever stands beside another set's array."""
    with writes_to(out, GOES_ON):
        for folder in (out, out / "held_out"):
            for stale in ("manifest.json", "labels.npy", "images.npy", "inputs.npy", "points.npy"):
                (folder / stale).unlink(missing_ok=True)


def _publish(written: Written, manifest: dict[str, Any], out: Path) -> None:
    """Move the arrays into place and describe them."""
    with writes_to(out, GOES_ON):
        out.mkdir(parents=True, exist_ok=True)
        written.path.replace(out / written.path.name)
        if written.inputs is not None:
            written.inputs.path.replace(out / written.inputs.path.name)
    if written.labels is not None:
        labels = written.labels
        write_with(out / "labels.npy", lambda temporary: np.save(temporary, labels))
    write_json(out / "manifest.json", manifest)
