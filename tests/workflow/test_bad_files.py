"""Users' mistakes, through the command line: exit code 2, one message with the culprit and the fix, no
traceback, and nothing damaged that was there before. Here: states, checkpoints, records, arguments.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.workflow.steps import (
    CONFIG,
    MANIFEST,
    RECORD,
    RUN,
    SEED,
    Gantry,
    contents,
    refused,
    rewrite_record,
    score_arguments,
    train_arguments,
)

from gantry.cli import run
from gantry.files import digest_of

# ── states, checkpoints, records, prepared sets ─────────────────────────────────────────────────────────


def the(pattern: str) -> Path:
    (found,) = RUN.glob(pattern)
    return found


def flip(path: Path, place: int = -20) -> None:
    """Change one byte."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def state_of_another_spec() -> None:
    """As if a work folder had been renamed: the state is whole, and of another weight."""
    own = the("work/*/state/state.bin")
    assert run(train_arguments(recipes={"points_two": {"terms": {"sample_spread": 0.3}}})) == 0
    (other,) = set(SEED.glob("*/work/*/state/state.bin")) - {own}
    shutil.copy(other, own)


def shorten(pattern: str) -> Callable[[], None]:
    def spoil() -> None:
        path = the(pattern)
        path.write_bytes(path.read_bytes()[:-100])

    return spoil


def rewrite(path: Path, **changes: Any) -> Callable[[], None]:
    """Change entries of a JSON file."""

    def spoil() -> None:
        if path.name.startswith("record-"):
            rewrite_record(path, **changes)
        else:
            path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return spoil


STATE = "work/*/state/state.bin"
DAMAGE: dict[str, tuple[Callable[[], None], str, list[str]]] = {
    "a state of another spec": (state_of_another_spec, "train", ["state.bin", "another spec", "delete it"]),
    "a state with a wrong bit": (lambda: flip(the(STATE)), "train", ["state.bin", "damaged", "delete it"]),
    "a state cut short": (shorten(STATE), "train", ["state.bin", "damaged", "delete it"]),
    "an empty state": (lambda: the(STATE).write_bytes(b""), "train", ["state.bin", "not a state", "delete it"]),
    "a checkpoint with a wrong bit": (
        lambda: flip(the("work/*/checkpoints/0000010.safetensors")),
        "score",
        ["0000010.safetensors", "damaged", "sha256", "delete"],
    ),
    "a checkpoint that is gone": (
        lambda: the("work/*/checkpoints/0000010.safetensors").unlink(),
        "score",
        ["0000010.safetensors", "missing", "delete the run's"],
    ),
    "a record of another spec": (
        rewrite(RECORD, spec={"seed": 0}, spec_digest=digest_of({"seed": 0})),
        "score",
        ["record-10.json", "another spec", "delete it"],
    ),
    "a record of other data": (rewrite(RECORD, data_digest="0" * 64), "score", ["record-10.json", "other data"]),
    "a record of another version": (
        rewrite(RECORD, format=99),
        "score",
        ["record-10.json", "not a record of this version"],
    ),
    "a record cut short": (shorten("record-10.json"), "score", ["record-10.json", "cannot be read", "delete it"]),
    "no record": (RECORD.unlink, "score", ["record-10.json", "not found"]),
    "no manifest": (MANIFEST.unlink, "train", ["manifest.json", "not found"]),
    "a manifest that is no JSON": (lambda: MANIFEST.write_text("{"), "train", ["manifest.json", "cannot be read"]),
    "a manifest of something else": (lambda: MANIFEST.write_text("{}"), "train", ["manifest.json", "not the manifest"]),
    "a prepared set cut short": (
        lambda: MANIFEST.with_name("points.npy").write_bytes(MANIFEST.with_name("points.npy").read_bytes()[:-9]),
        "train",
        ["points.npy", "truncated", "prepare it again"],
    ),
    "a prepared set of another size": (
        lambda: np.save(MANIFEST.with_name("points.npy"), np.zeros((5, 2), np.float32)),
        "train",
        ["points.npy", "(5, 2)", "prepare it again"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGE)
def test_a_file_that_is_not_what_it_was(folder: Path, gantry: Gantry, case: str) -> None:
    spoil, verb, says = DAMAGE[case]
    spoil()
    before = contents()
    refused(gantry(*(train_arguments(20) if verb == "train" else score_arguments())), *says)
    assert contents() == before


def test_metrics_that_are_not_for_points(folder: Path, gantry: Gantry) -> None:
    refused(gantry(*score_arguments(metrics=["swd"])), "metric 'swd' is not for points")


# ── steps by hand ─────────────────────────────────────────────────────────────────────────────────────

BY_HAND = [
    (["train", "--spec", "{"], ["--spec: not JSON", "@ and the name of a file"]),
    (["train", "--spec", "[]"], ["--spec: should be a JSON mapping, not list"]),
    (["train", "--spec", "@nowhere.json"], ["--spec: not JSON", "nowhere.json"]),
    (["train", "--spec", '{"seed": 0}'], ["--spec: without recipe, dataset, checkpoint_every"]),
    (["train", "--spec", '{"recipe": {}, "dataset": {}, "seed": 0, "checkpoint_every": 7}'],
     ["--spec: recipe.networks: missing", "--spec: recipe.objective: missing"]),
    (["train", "--spec", '{"recipe": 3, "dataset": {}, "seed": 0, "checkpoint_every": 7}'],
     ["--spec: recipe: should be a mapping"]),
    (["train", "--until", "15"], ["--until: 15 is not on the grid of checkpoints, every 10"]),
    (["train", "--data", "nowhere/manifest.json"], ["nowhere/manifest.json", "not found"]),
    (["score", "--scoring", "{}"], ["--scoring: without metrics"]),
    (["score", "--record", "nowhere.json"], ["nowhere.json", "not found"]),
]  # fmt: skip


@pytest.mark.parametrize(("replaced", "says"), BY_HAND, ids=[" ".join(case[0]) for case in BY_HAND])
def test_a_step_called_by_hand_with_wrong_arguments(
    folder: Path, gantry: Gantry, replaced: list[str], says: list[str]
) -> None:
    verb, option, value = replaced
    arguments = train_arguments() if verb == "train" else score_arguments()
    arguments[arguments.index(option) + 1] = value
    before = contents()
    refused(gantry(*arguments), *says)
    assert contents() == before


@pytest.mark.parametrize(
    ("verb", "name", "says"),
    [
        ("table", ["sketch", "mods"], ["sketch mods: no table of this name", '"sketch modes"']),
        ("claims", ["nobody", "said"], ["nobody said: no claims of this name", "known: sketch said"]),
        ("figure", ["sketch", "modes"], ["sketch modes: no figure of this name", "sketch places"]),
        ("table", ["sketch", "places"], ["sketch places: no table of this name", "sketch modes"]),
    ],
)
def test_an_output_that_is_not_there_or_of_another_kind(
    folder: Path, gantry: Gantry, verb: str, name: list[str], says: list[str]
) -> None:
    suffix = "png" if verb == "figure" else "csv"
    refused(gantry(verb, *name, "--config", json.dumps(CONFIG), "--out", f"out.{suffix}"), *says)
    assert not Path(f"out.{suffix}").exists()


def test_a_table_of_runs_that_are_not_made(folder: Path, gantry: Gantry) -> None:
    answer = gantry("table", "sketch", "modes", "--config", json.dumps(CONFIG), "--out", "out.csv")
    refused(answer, "points_one", "record not found", "snakemake")
