"""What scoring tells those who watch: every number of every checkpoint, and the samples that figures show."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantry.arrays import read_npz
from gantry.evaluation.by_checkpoint import picture_of
from gantry.metrics.names import is_given, is_own, label
from gantry.plan.runs import work_identity
from gantry.runs.record import read_record
from gantry.watching.base import SCORES, WatchedRun, open_watchers

SIDE = 128  # pixels of a picture of points


def tell_scores(services: Sequence[str], record_path: Path, metrics: Path, samples: Path) -> None:
    """Tell `services` what a scoring of a record's checkpoints has written."""
    if not services:
        return
    record = read_record(record_path)
    name = "/".join([record["run"]["dataset"], record["run"]["recipe"], f"seed{record['run']['seed']}"])
    identity = work_identity(record["spec"], record["data_digest"])
    run = WatchedRun(record_path.parent / "work" / identity, name, identity, record["spec"])
    watchers = open_watchers(services, run, SCORES)
    numbers: dict[int, dict[str, float]] = {}
    with metrics.open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if is_own(row["sampled_from"]) and row["value"]:
                title = f"score/{label(row['metric'], row['feature_network'])}/{row['sampled_from']}"
                numbers.setdefault(int(row["iteration"]), {})[title] = float(row["value"])
    shown = dict(read_npz(samples))
    # A data set's own images leave the machine in nobody's pictures.
    shown = {source: drawn for source, drawn in shown.items() if not is_given(source)}
    iterations, real = shown.pop("iterations"), shown.pop("real", None)
    for iteration, values in sorted(numbers.items()):
        watchers.scalars(iteration, values)
    for place, iteration in enumerate(iterations):
        for source, drawn in shown.items():
            if len(drawn) == len(iterations):
                watchers.picture(int(iteration), f"samples/{source}", _picture(drawn[place], real))
    watchers.close()


def _picture(samples: NDArray[Any], real: NDArray[Any] | None) -> NDArray[np.uint8]:
    """Images as tiles; points as their density, dark on white, over the place of the real ones."""
    if samples.ndim == 4:
        return picture_of([samples])
    around = samples if real is None else real
    low, high = around.min(axis=0), around.max(axis=0)
    margin = 0.1 * (high - low) + 1e-6
    bounds = np.stack([low - margin, high + margin], axis=1)
    x, y = samples[:, 0], samples[:, 1]
    counts, _, _ = np.histogram2d(x, y, bins=SIDE // 2, range=bounds[:2].tolist())
    shades = (255 * (1 - counts.T[::-1] / max(counts.max(), 1))).astype(np.uint8)
    return np.repeat(shades.repeat(2, axis=0).repeat(2, axis=1)[:, :, None], 3, axis=2)
