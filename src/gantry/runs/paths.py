"""Names of files and folders, spelled once; and one spelling for every path that a user gives."""

import os
from pathlib import Path

from gantry.files import digest_of
from gantry.paths import expanded_text

# Below `<results>/<scale>`; the Snakefile's rules spell the same with wildcards.
RUNS = "runs"
PLANS = "plans"
# What a run's folder held before it carried the digest of its spec.
FORMER_RECORDS = "seal-*.json"


def canonical(path: str | Path) -> str:
    """Return the one spelling of a path: `~` and variables replaced, links followed, no double or trailing slash.

    A place inside the working directory is spelled relative to it, so that a checkout can be moved; any other is
    absolute.
    """
    whole = os.path.realpath(expanded_text(str(path)))
    inside = os.path.relpath(whole, os.path.realpath(os.curdir))
    return whole if inside == os.pardir or inside.startswith(os.pardir + os.sep) else inside


def record_name(end: int | str) -> str:
    """The record of the segment that ends at iteration `end`."""
    return f"record-{end}.json"


def scores_name(end: int | str, scoring: str, suffix: str = ".csv") -> str:
    """The metrics (.csv) or the shown samples (.npz) of a segment, under one way of scoring."""
    return f"{'samples' if suffix == '.npz' else 'metrics'}-{end}-{scoring}{suffix}"


def scoring_digest(scoring: dict[str, object], after: int) -> str:
    """Eight digits that tell ways of scoring apart: what is computed, of how many samples, from which checkpoint on."""
    told = {key: value for key, value in scoring.items() if key != "spec_digest"}
    return digest_of({"scoring": told, "after": after})[:8]


def labels_name(told: dict[str, object]) -> str:
    """The labels that were inferred as `told`, beside the arrays of a prepared set."""
    return f"labels-{digest_of(told)[:8]}.npy"


def lock_of(run: Path) -> Path:
    """The file that a trainer at work in this run's folder holds."""
    return run / "work" / "lock"


def plan_name(digest: str) -> str:
    """The plan that jobs are told of, below `<results>/<scale>`."""
    return f"{PLANS}/{digest}.yaml"


def former_records(results: Path) -> list[Path]:
    """The records of an earlier version of Gantry below `<results>/<scale>`, which this one does not read."""
    return sorted((results / RUNS).glob(f"*/*/seed*/{FORMER_RECORDS}"))
