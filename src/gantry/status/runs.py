"""Where each run of a plan stands, read from its records, its history and its lock."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gantry.files import read_mapping
from gantry.plan import Plan, Run
from gantry.plan.overrides import flat
from gantry.plan.renamed import renamed
from gantry.plan.runs import is_of_data, works_of
from gantry.runs.paths import lock_of
from gantry.runs.record import is_whole
from gantry.system.lock import holder
from gantry.system.version import code_digest

DONE, DIVERGED, RUNNING, STOPPED, WAITING = "done", "diverged", "running", "stopped", "waiting"


@dataclass(frozen=True)
class RunStatus:
    """Where a run stands. `recorded` and `scored` are the ends of its segments that are as the plan wants them."""

    key: str
    state: str
    iteration: int
    until: int
    recorded: tuple[int, ...]
    scored: tuple[int, ...]
    holder: str | None = None
    eta_seconds: float | None = None
    diverged_at: int | None = None
    # The ends of segments whose records are of other data than the plan's, or damaged.
    stale: tuple[int, ...] = ()
    older_code: bool = False
    # Settings of the recipe whose default was another when it was trained: 'ema was 0.0, is 0.999'.
    other_defaults: tuple[str, ...] = ()
    # How its steps were run, as its last record says: "captured", or "plain (why)".
    backend: str = ""


def run_statuses(plan: Plan) -> dict[str, RunStatus]:
    """Where every run of the plan stands, by its key."""
    return {run.key: run_status(plan, run) for run in plan.runs.values()}


def run_status(plan: Plan, run: Run) -> RunStatus:
    """Where one run stands."""
    folder = Path(plan.folder(run))
    manifest = manifest_of(plan, run)
    records = {end: read_mapping(Path(plan.record(run, end))) for end in run.ends}
    records = {end: record for end, record in records.items() if record}
    fresh = {end: record for end, record in records.items() if is_fresh(record, run, manifest)}
    until = max(run.ends)
    diverged_at = next(
        (iteration for record in fresh.values() if (iteration := record.get("diverged_at"))), None
    )
    trained = max(fresh, default=0)
    rate = None
    at_work = holder(lock_of(folder))
    if until in fresh:
        state, iteration = (DIVERGED, int(diverged_at)) if diverged_at else (DONE, until)
    else:
        works = [folder / "work" / name for name in works_of(run.spec, manifest)]
        work = next((work for work in works if work.is_dir()), folder / "work" / "none")
        logged, rate = _progress(work / "history.csv")
        iteration = max(logged, trained)
        state = RUNNING if at_work else STOPPED if iteration else WAITING
    return RunStatus(
        run.key,
        state,
        iteration,
        until,
        tuple(sorted(fresh)),
        tuple(end for end in sorted(fresh) if Path(plan.metrics(run, end)).exists()),
        at_work,
        (until - iteration) / rate if state == RUNNING and rate else None,
        diverged_at,
        tuple(sorted(records.keys() - fresh.keys())),
        any(_provenance(record).get("code_digest") != code_digest() for record in fresh.values()),
        tuple(dict.fromkeys(default for record in fresh.values() for default in other_defaults(record, run))),
        str(_provenance(fresh[trained]).get("step", "")) if fresh else "",
    )


def manifest_of(plan: Plan, run: Run) -> dict[str, Any]:
    """The manifest of the prepared set that `run` trains on; empty while there is none."""
    return read_mapping(Path(plan.manifest(run)))


def is_fresh(record: dict[str, Any], run: Run, manifest: dict[str, Any]) -> bool:
    """Whether a record is whole, of the run's own spec, and of the data that are there (or were, if they are gone)."""
    is_of = record.get("spec_digest") == run.spec_digest and is_of_data(record, manifest, run.spec)
    return is_of and is_whole(record)


def other_defaults(record: dict[str, Any], run: Run) -> list[str]:
    """What of the whole recipe was another when the run was trained, though its spec was the same: changed defaults.

    A setting that was not known then has changed nothing.
    """
    now = flat(run.recipe.model_dump(mode="json", exclude={"workload"}))
    then = flat(renamed(record.get("recipe", {})))
    return [f"{key} was {then[key]}, is {now[key]}" for key in then if key in now and now[key] != then[key]]


def _provenance(record: dict[str, Any]) -> dict[str, Any]:
    found = record.get("provenance")
    return found if isinstance(found, dict) else {}


def _progress(history: Path) -> tuple[int, float | None]:
    """(iteration, iterations per second) of the last whole line of a history; (0, None) without one."""
    try:
        with history.open(newline="", encoding="utf-8", errors="replace") as stream:
            rows = list(csv.DictReader(stream))
    except OSError:
        return 0, None
    for row in reversed(rows):
        try:
            return int(row["iteration"]), float(row["iterations_per_second"]) or None
        except (KeyError, TypeError, ValueError):  # cut by a kill
            continue
    return 0, None
