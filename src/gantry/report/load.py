"""Orders (what a table or figure needs) and the run files that they name, read and checked."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from gantry.errors import UserError
from gantry.files import read_json
from gantry.metrics import names


class Strict(BaseModel):
    """A block of an order: unknown keys are errors, values do not change after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RunReference(Strict):
    """One training run: its seed, the spec it must have been trained with, the ends of its segments."""

    seed: int
    spec_digest: str
    ends: tuple[int, ...]


class Group(Strict):
    """The runs that differ in their seed only: one recipe on one data set.

    `dataset` names the folder of the runs, `dataset_name` the paper's data set that it is or stands for,
    `method` the row of the published table: a name, or the value of each of its key columns.
    """

    dataset: str
    dataset_name: str
    dataset_label: str
    stand_in: str | None = None
    recipe: str
    recipe_label: str
    method: str | dict[str, str | int | float]
    runs: tuple[RunReference, ...]

    @property
    def dataset_title(self) -> str:
        """The data set's label, marked where it is a stand-in."""
        return f"{self.dataset_label} (stand-in)" if self.stand_in else self.dataset_label

    @property
    def published_keys(self) -> dict[str, str]:
        """The columns of the published table that name this group's row, and their values there."""
        if isinstance(self.method, str):
            return {"method": self.method}
        return {key: str(value) for key, value in self.method.items()}

    @property
    def key(self) -> str:
        """The group's name in files and anchors: data set and recipe."""
        return f"{self.dataset}/{self.recipe}"


class Order(Strict):
    """One table, figure or list of claims, as the plan hands it to the report."""

    format: Literal[1]
    paper: str
    name: str
    kind: str
    title: str
    notes: tuple[str, ...] = ()
    options: dict[str, Any] = {}
    scale: str
    scale_title: str
    results: Path
    published: Path | None = None
    metrics: tuple[str, ...] = ()
    snapshots: tuple[int, ...] = ()
    iterations: int
    paper_iterations: int | None = None
    # Where a run that is followed further has its tables' end; None: the order does not say.
    usual_iterations: int | None = None
    groups: tuple[Group, ...]

    def checkpoint_for(self, iteration: int, checkpoints: Iterable[int]) -> int:
        """The checkpoint nearest to the share of training at which the paper's `iteration` lies."""
        wanted = iteration * self.iterations / (self.paper_iterations or self.iterations)
        return min(checkpoints, key=lambda each: abs(each - wanted), default=round(wanted))

    @property
    def stand_ins(self) -> dict[str, str]:
        """The paper's data sets for which something else was used, and what: label → stand-in."""
        return {group.dataset_label: group.stand_in for group in self.groups if group.stand_in}


def parse_order(order: dict[str, Any]) -> Order:
    """Validate an order; UserError lists every wrong key at once."""
    try:
        return Order.model_validate(order)
    except ValidationError as error:
        name = f"order {order.get('paper', '?')}/{order.get('name', '?')}"
        raise UserError(validation_message(name, error)) from None


def validation_message(name: str, error: ValidationError) -> str:
    """One line for every problem that pydantic found, each with the path of its key."""
    lines = [f"{'.'.join(map(str, e['loc'])) or 'order'}: {e['msg']}" for e in error.errors()]
    return f"{name}: " + f"\n{name}: ".join(lines)


@dataclass(frozen=True)
class Run:
    """One run's files: seals in the order of their ends, and the metrics of all of its checkpoints.

    `metrics` is tidy, with the columns of `metrics.names.COLUMNS` and one row per number.
    """

    group: Group
    seed: int
    folder: Path
    ends: tuple[int, ...]
    seals: tuple[dict[str, Any], ...]
    metrics: pd.DataFrame

    @property
    def key(self) -> str:
        """The run's name in anchors and messages: data set, recipe and seed."""
        return f"{self.group.key}/seed{self.seed}"

    @property
    def provenance(self) -> dict[str, Any]:
        """Where and how the last segment was trained."""
        provenance: dict[str, Any] = self.seals[-1]["provenance"]
        return provenance

    @property
    def diverged_at(self) -> int | None:
        """The iteration at which the loss stopped being finite, or None for a run that reached its end."""
        for seal in self.seals:
            if seal["status"] == "diverged":
                return int(seal["diverged_at"])
        return None

    @property
    def diverged(self) -> bool:
        return self.diverged_at is not None

    @property
    def iterations(self) -> int:
        """Iterations done."""
        return int(self.seals[-1]["iterations"]) if self.diverged_at is None else self.diverged_at

    def largest(self, quantity: str) -> float | None:
        """The largest value of a provenance quantity over the segments (None where none recorded it).

        For a time that is the whole run's: each seal counts from the run's beginning.
        """
        values = [seal["provenance"].get(quantity) for seal in self.seals]
        return max((float(value) for value in values if value is not None), default=None)

    @property
    def sources(self) -> list[str]:
        """What was scored: "G1", …, and "mixture" where there are several generators."""
        return [name for name in dict.fromkeys(self.metrics["sampled_from"]) if name != names.REAL]

    @cached_property
    def samples(self) -> dict[str, np.ndarray]:
        """The samples of one fixed z, over the checkpoints of all segments.

        `iterations` (C,) int64; per generator (C, S, 2) float32 points or (C, S, H, W, 3) uint8 images; for
        points also `real` (S, 2).
        """
        parts = [_read_samples(self.folder / f"samples-{end}.npz") for end in self.ends]
        parts = [part for part in parts if len(part["iterations"])] or parts[:1]
        return {
            name: parts[0][name] if name == "real" else np.concatenate([part[name] for part in parts])
            for name in parts[0]
        }

    @property
    def generators(self) -> list[str]:
        """The names of the generators in `samples`."""
        return [name for name in self.samples if name not in ("iterations", "real")]


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
    def sources(self) -> list[str]:
        """What was scored in any of the runs, the headline first."""
        found = dict.fromkeys(source for run in self.runs for source in run.sources)
        return sorted(found, key=lambda source: (source != "mixture", source))

    @property
    def headline(self) -> str:
        """The source that stands for the method: the equal mixture, or the only generator (theorem 2)."""
        return "mixture" if "mixture" in self.sources else "G1"

    @property
    def shown(self) -> Run:
        """The run whose samples are drawn: the lowest seed that reached its end, else the lowest seed."""
        return (self.complete or self.runs)[0]


@dataclass(frozen=True)
class Loaded:
    """An order with everything it asked for."""

    order: Order
    groups: tuple[LoadedGroup, ...]


Cache = dict[tuple[Path, tuple[int, ...], str], tuple[tuple[dict[str, Any], ...], pd.DataFrame]]


def load(order: Order, cache: Cache | None = None) -> Loaded:
    """Read the seals and metrics of every run of an order.

    `cache` is shared by orders that are made in one process, so that each run is read once.
    A missing, damaged or stale file (trained with another spec than the configuration now asks for) raises
    UserError that names the file and the command that makes it anew.
    """
    cache = {} if cache is None else cache
    groups = [
        LoadedGroup(group, tuple(_load_run(order, group, run, cache) for run in group.runs))
        for group in order.groups
    ]
    return Loaded(order, tuple(groups))


def _load_run(order: Order, group: Group, reference: RunReference, cache: Cache) -> Run:
    folder = order.results / "runs" / group.dataset / group.recipe / f"seed{reference.seed}"
    key = (folder, reference.ends, reference.spec_digest)
    if key not in cache:
        seals = tuple(
            _read_seal(folder / f"seal-{end}.json", reference, order.scale) for end in reference.ends
        )
        frames = [_read_metrics(folder / f"metrics-{end}.csv", order.scale) for end in reference.ends]
        cache[key] = seals, pd.concat([f for f in frames if len(f)] or frames[:1], ignore_index=True)
    seals, metrics = cache[key]
    return Run(group, reference.seed, folder, reference.ends, seals, metrics)


def _read_seal(path: Path, reference: RunReference, scale: str) -> dict[str, Any]:
    if not path.is_file():
        raise UserError(f"{path}: seal not found; run: {command(path, scale)}")
    seal: dict[str, Any] = read_json(path, "seal of a training run")
    lacking = {"spec_digest", "iterations", "status", "provenance"} - seal.keys()
    if seal.get("format") != 1 or lacking:
        raise UserError(f"{path}: not a seal of format 1; run: {command(path, scale, force=True)}")
    if seal["spec_digest"] != reference.spec_digest:
        raise UserError(
            f"{path}: stale: trained with spec {seal['spec_digest']}, the configuration now asks for "
            f"{reference.spec_digest}; run: {command(path, scale, force=True)}"
        )
    return seal


def _read_metrics(path: Path, scale: str) -> pd.DataFrame:
    try:
        frame = pd.read_csv(
            path, dtype={"feature_network": str, "dataset": str, "recipe": str}, keep_default_na=False,
            na_values={"value": ["nan", "NaN", ""]},
        )  # fmt: skip
    except FileNotFoundError:
        raise UserError(f"{path}: metrics not found; run: {command(path, scale)}") from None
    except (OSError, ValueError) as error:
        again = command(path, scale, force=True)
        raise UserError(f"{path}: metrics cannot be read ({error}); run: {again}") from None
    lacking = [column for column in names.COLUMNS if column not in frame]
    if lacking:
        again = command(path, scale, force=True)
        raise UserError(f"{path}: metrics without the columns {', '.join(lacking)}; run: {again}")
    try:
        return frame.astype({"value": float, "feature_network": str})
    except ValueError as error:
        again = command(path, scale, force=True)
        raise UserError(f"{path}: metrics that are not numbers ({error}); run: {again}") from None


def _read_samples(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise UserError(f"{path}: samples not found; run the same command again to score the run") from None
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise UserError(
            f"{path}: samples cannot be read ({error}); delete the file and run the same command again"
        ) from None


def command(path: Path | str, scale: str, force: bool = False) -> str:
    """The command that makes `path`; `force` where Snakemake would think the file still good."""
    anew = f" --forcerun {path}" if force else ""
    return f"uv run snakemake {path} --cores all --config scale={scale}{anew}"
