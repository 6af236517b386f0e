"""A folder in which a small paper of points is made, but for one run."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.status.half import TABLE, plan_of
from tests.workflow.conftest import gantry
from tests.workflow.steps import CONFIG, in_copy_of, steps, working_in

from gantry.cli import run

__all__ = ["gantry"]


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
def here(half_made: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of it, as the working directory."""
    with in_copy_of(half_made, tmp_path / "copy") as copy:
        yield copy
