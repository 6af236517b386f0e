"""Runs as the report sees them: a spec with the records, metrics and samples that it names."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gantry.metrics import names
from gantry.report.reading import read_metrics, read_record, read_samples
from gantry.report.specs import Group, ReportSpec, RunReference
from gantry.runs.paths import RUNS, record_name, scores_name


@dataclass(frozen=True)
class Run:
    """One run's files: records in the order of their ends, and the metrics of all of its checkpoints.

    `metrics` is tidy, with the columns of `metrics.names.COLUMNS` and one row per number.
    """

    group: Group
    seed: int
    folder: Path
    ends: tuple[int, ...]
    scorings: tuple[str, ...]
    records: tuple[dict[str, Any], ...]
    metrics: pd.DataFrame

    @property
    def key(self) -> str:
        """The run's name in anchors and messages: data set, recipe and seed."""
        return f"{self.group.key}/seed{self.seed}"

    @property
    def files(self) -> list[tuple[Path, Path, Path]]:
        """(record, metrics, samples) of every segment."""
        return [
            (
                self.folder / record_name(end),
                self.folder / scores_name(end, scoring),
                self.folder / scores_name(end, scoring, ".npz"),
            )
            for end, scoring in zip(self.ends, self.scorings, strict=True)
        ]

    @property
    def provenance(self) -> dict[str, Any]:
        """Where and how the last segment was trained."""
        provenance: dict[str, Any] = self.records[-1]["provenance"]
        return provenance

    @property
    def diverged_at(self) -> int | None:
        """The iteration at which the loss stopped being finite, or None for a run that reached its end."""
        for record in self.records:
            if record["status"] == "diverged":
                return int(record["diverged_at"])
        return None

    @property
    def diverged(self) -> bool:
        return self.diverged_at is not None

    @property
    def ending(self) -> str:
        """How it ended, in words: complete, or diverged at an iteration."""
        return "complete" if self.diverged_at is None else f"diverged at {self.diverged_at:,}"

    @property
    def software(self) -> str:
        """The versions with which the last segment was trained."""
        return f"torch {self.provenance.get('torch', '–')}, Python {self.provenance.get('python', '–')}"

    @property
    def iterations(self) -> int:
        """Iterations done."""
        return int(self.records[-1]["iterations"]) if self.diverged_at is None else self.diverged_at

    def largest(self, quantity: str) -> float | None:
        """The largest value of a provenance quantity over the segments (None where none recorded it).

        For a time that is the whole run's: each record counts from the run's beginning.
        """
        values = [record["provenance"].get(quantity) for record in self.records]
        return max((float(value) for value in values if value is not None), default=None)

    @property
    def sources(self) -> list[str]:
        """What was scored: "G1", …, and "mixture" where there are several generators."""
        return [name for name in dict.fromkeys(self.metrics["sampled_from"]) if names.is_own(name)]

    @cached_property
    def samples(self) -> dict[str, np.ndarray]:
        """The samples of one fixed z, over the checkpoints of all segments.

        `iterations` (C,) int64; per generator (C, S, 2) float32 points or (C, S, H, W, 3) uint8 images; for
        points also `real` (S, 2).
        """
        parts = [read_samples(samples, metrics) for _, metrics, samples in self.files]
        parts = [part for part in parts if len(part["iterations"])] or parts[:1]
        return {
            name: parts[0][name] if name == "real" else np.concatenate([part[name] for part in parts])
            for name in parts[0]
        }

    @property
    def generators(self) -> list[str]:
        """The names of the generators in `samples`."""
        beside = ("iterations", names.REAL, names.INPUT, names.BACK, names.TRUTH, names.MONTAGE)
        return [name for name in self.samples if name.partition(" ")[0] not in beside]


@dataclass(frozen=True)
class LoadedGroup:
    """A group with its runs, in the order of their seeds."""

    group: Group
    runs: tuple[Run, ...]

    @property
    def complete(self) -> tuple[Run, ...]:
        """The runs that reached their end."""
        return tuple(run for run in self.runs if not run.diverged)

    @property
    def lost(self) -> int:
        """How many runs diverged."""
        return len(self.runs) - len(self.complete)

    @property
    def sources(self) -> list[str]:
        """What was scored in any of the runs, the headline first."""
        found = dict.fromkeys(source for run in self.runs for source in run.sources)
        return sorted(found, key=lambda source: source not in (names.MIXTURE, names.MEAN))

    @property
    def headline(self) -> str:
        """The source that stands for the method: the equal mixture, the only generator (theorem 2), or "a→b"."""
        return next(iter(self.sources), "G1")

    @property
    def shown(self) -> Run:
        """The run whose samples are drawn: the lowest seed that reached its end, else the lowest seed."""
        return (self.complete or self.runs)[0]


@dataclass(frozen=True)
class Loaded:
    """A spec with everything it asked for."""

    spec: ReportSpec
    groups: tuple[LoadedGroup, ...]

    @property
    def dataset_titles(self) -> list[str]:
        """The data sets of all groups, in their order, without repeats."""
        return list(dict.fromkeys(loaded.group.dataset_title for loaded in self.groups))

    def groups_on(self, dataset_title: str) -> list[LoadedGroup]:
        """The groups on one data set."""
        return [loaded for loaded in self.groups if loaded.group.dataset_title == dataset_title]


Cache = dict[tuple[Path, RunReference], tuple[tuple[dict[str, Any], ...], pd.DataFrame]]


def load(spec: ReportSpec, cache: Cache | None = None) -> Loaded:
    """Read the records and metrics of every run of a spec.

    `cache` is shared by specs that are made in one process, so that each run is read once.
    A missing or damaged file, or one of another spec than the configuration asks for, raises UserError that names it.
    """
    cache = {} if cache is None else cache
    groups = [
        LoadedGroup(group, tuple(_load_run(spec, group, run, cache) for run in group.runs))
        for group in spec.groups
    ]
    return Loaded(spec, tuple(groups))


def _load_run(spec: ReportSpec, group: Group, reference: RunReference, cache: Cache) -> Run:
    ends, scorings = reference.ends, reference.scorings
    folder = (
        spec.results / RUNS / group.dataset / group.recipe / f"seed{reference.seed}" / reference.spec_digest
    )
    key = (folder, reference)
    if key not in cache:
        records = tuple(read_record(folder / record_name(end), reference.spec_digest) for end in ends)
        frames = [
            read_metrics(folder / scores_name(end, scoring))
            for end, scoring in zip(ends, scorings, strict=True)
        ]
        cache[key] = records, pd.concat([f for f in frames if len(f)] or frames[:1], ignore_index=True)
    records, metrics = cache[key]
    return Run(group, reference.seed, folder, ends, scorings, records, metrics)
