"""Runs from elsewhere as the report's own: groups of runs with their curves, of no recipe and no configuration."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gantry.errors import UserError, suggestion
from gantry.metrics import names
from gantry.report.elsewhere.events import read_events
from gantry.report.elsewhere.text import left_out, read_text_file
from gantry.report.elsewhere.values import RunNames, Value, numbered
from gantry.report.load import Loaded, LoadedGroup, Run
from gantry.report.specs import Group, ReportSpec, RunReference

# Which values of scores under others' names are better, by the last part of the name in small letters.
USUAL: dict[str, tuple[str, names.Direction]] = {
    "fid": ("FID", "lower"), "kid": ("KID", "lower"), "is": ("IS", "higher"), "fd": ("FD", "lower"),
    "loss": ("loss", "lower"), "nll": ("NLL", "lower"), "mse": ("MSE", "lower"), "mae": ("MAE", "lower"),
    "rmse": ("RMSE", "lower"), "error": ("error", "lower"), "lpips": ("LPIPS", "lower"),
    "ssim": ("SSIM", "higher"), "psnr": ("PSNR", "higher"), "accuracy": ("accuracy", "higher"),
    "acc": ("accuracy", "higher"), "auc": ("AUC", "higher"), "f1": ("F1", "higher"), "miou": ("mIoU", "higher"),
}  # fmt: skip
SOURCE = "G1"


def read_values(paths: Iterable[Path], pattern: str | None, metrics: Sequence[str] | None) -> list[Value]:
    """Read runs from CSV files, exports of W&B and folders of TensorBoard; all of it together is one set of runs."""
    run_names, found = RunNames(pattern), []
    for path in paths:
        read = read_events if path.is_dir() else read_text_file
        found += list(read(path, run_names, metrics))
    values = numbered(found)
    if metrics:
        known = list(dict.fromkeys(value.metric for value in values))
        for metric in metrics:
            if metric not in known:
                raise UserError(
                    f"--metrics: no {metric!r} in these files{suggestion(metric, known)}; they have {', '.join(known)}"
                )
        values = [value for value in values if value.metric in metrics]
    if not values:
        raise UserError(f"{', '.join(map(str, paths))}: no numbers")
    return values


def remarks(paths: Iterable[Path]) -> list[str]:
    """What of the files was left out, a sentence each."""
    return [said for path in paths if path.is_file() and (said := left_out(path))]


def loaded_from(
    values: Sequence[Value], kind: str, title: str, lower: Sequence[str] = (), higher: Sequence[str] = ()
) -> Loaded:
    """Make the report's runs of them; `lower` and `higher` name the metrics of which less or more is better."""
    metrics = list(dict.fromkeys(value.metric for value in values))
    _declare(metrics, lower, higher)
    grouped: dict[tuple[str, str], dict[int, list[Value]]] = {}
    for value in values:
        assert value.seed is not None, "runs are numbered when they are read"
        grouped.setdefault((value.dataset, value.group), {}).setdefault(value.seed, []).append(value)
    groups = tuple(_group(*key, runs) for key, runs in grouped.items())
    last = max(value.iteration for value in values)
    spec = ReportSpec(
        format=1, paper="elsewhere", name=kind, kind=kind, title=title, scale="elsewhere", scale_title="",
        results=Path(), metrics=tuple(metrics), iterations=last, groups=tuple(group.group for group in groups),
    )  # fmt: skip
    return Loaded(spec, groups)


def _declare(metrics: Sequence[str], lower: Sequence[str], higher: Sequence[str]) -> None:
    """Make the names known that are not ours, with the better side where it is known."""
    for side, given in (("--lower", lower), ("--higher", higher)):
        for metric in given:
            if metric not in metrics:
                raise UserError(
                    f"{side}: no {metric!r} in these files{suggestion(metric, metrics)}; they have {', '.join(metrics)}"
                )
    for metric in metrics:
        title, usual = USUAL.get(metric.lower().rsplit("/", 1)[-1].strip(), (metric, "half"))
        direction: names.Direction = "lower" if metric in lower else "higher" if metric in higher else usual
        names.declare(metric, title if "/" not in metric else metric, direction)


def _group(dataset: str, name: str, runs: dict[int, list[Value]]) -> LoadedGroup:
    ends = {seed: max(value.iteration for value in run) for seed, run in runs.items()}
    group = Group(
        dataset=dataset or "elsewhere", dataset_name=dataset or "elsewhere", dataset_label=dataset, recipe=name,
        recipe_label=name, method=name,
        runs=tuple(RunReference(seed=seed, spec_digest="", ends=(end,), scorings=("",)) for seed, end in ends.items()),
    )  # fmt: skip
    return LoadedGroup(group, tuple(_run(group, seed, ends[seed], runs[seed]) for seed in sorted(runs)))


def _run(group: Group, seed: int, end: int, values: Sequence[Value]) -> Run:
    bad = [value.iteration for value in values if value.diverged or not np.isfinite(value.value)]
    record: dict[str, Any] = {
        "status": "diverged" if bad else "complete",
        "diverged_at": min(bad, default=None),
        "iterations": end,
        "provenance": {},
    }
    rows = [
        (group.dataset, group.recipe, seed, value.iteration, SOURCE, value.metric, value.value, 0, "")
        for value in values
    ]
    frame = pd.DataFrame(rows, columns=list(names.COLUMNS))
    return Run(group, seed, Path(values[0].run), (end,), ("",), (record,), frame)
