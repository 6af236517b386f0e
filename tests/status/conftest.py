"""A folder in which a small paper of points is made, but for one run."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.workflow.conftest import CONFIG, MANIFEST, gantry, working_in

from gantry.cli import run
from gantry.files import canonical_json
from gantry.plan import Plan, load_plan

__all__ = ["gantry"]

SETTINGS = [f"{key}={json.dumps(value)}" for key, value in (CONFIG | {"seeds": [0, 1]}).items()]
TABLE = "results/tiny/sketch/modes.csv"


def plan_of(**config: Any) -> Plan:
    return load_plan(CONFIG | {"seeds": [0, 1]} | config)


def steps(plan: Plan, key: str) -> Iterator[list[str]]:
    """The commands that train and score a run of points."""
    each = plan.runs[key]
    for end in each.ends:
        seal = f"{plan.folder(each)}/seal-{end}.json"
        yield ["train", "--spec", canonical_json(each.spec), "--data", str(MANIFEST), "--until", str(end),
               "--seal", seal]  # fmt: skip
        yield ["score-run", "--seal", seal, "--data", str(MANIFEST), "--scoring", json.dumps(plan.scoring(each)),
               "--after", str(each.previous_end(end)), "--metrics", f"{plan.folder(each)}/metrics-{end}.csv",
               "--samples", f"{plan.folder(each)}/samples-{end}.npz"]  # fmt: skip


@pytest.fixture(scope="session")
def half_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seed 0 of both recipes, made and in the table `modes` of its own; of seed 1 nothing."""
    folder = tmp_path_factory.mktemp("half")
    with working_in(folder):
        plan = plan_of()
        for recipe in ("points_one", "points_two"):
            for step in steps(plan, f"mixture/{recipe}/seed0"):
                assert run(step) == 0
        assert run(["table", "sketch", "modes", "--config", json.dumps(CONFIG), "--out", TABLE]) == 0
    return folder


@pytest.fixture
def here(half_made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of it, as the working directory."""
    copy = tmp_path / "copy"
    shutil.copytree(half_made, copy)
    monkeypatch.chdir(copy)
    yield copy
    torch.set_flush_denormal(False)
