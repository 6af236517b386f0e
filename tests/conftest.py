"""Fixtures for every room of the tests."""

import os
from pathlib import Path

import pytest
import torch

from gantry.plan import loading

# CUDA reads it once, at its first matrix product, which may come long before the test of determinism.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

REPOSITORY = Path(__file__).resolve().parent.parent


# What `pytest -m quick` runs: rooms whose tests take seconds, but for these files of theirs.
QUICK_ROOMS = (
    "plan", "objectives", "system", "progress", "test_cli.py", "test_files.py", "test_paths.py",
)  # fmt: skip
SLOW_FILES = (
    "test_estimate.py",
    "test_any_input.py",
    "test_own.py",
    "test_dual.py",
    "test_optima.py",
    "test_workflows.py",
)


# Files that take long come first, so that two workers end at the same time (`--no-loadscope-reorder`).
LONG_PLACES = (
    "faults", "workflow", "training/test_distributed.py", "forkserver", "cluster", "test_tutorial.py", "test_cli.py",
    "progress", "training", "golden", "methods", "evaluation", "data/test_prepare.py",
)  # fmt: skip


def _turn(item: pytest.Item) -> int:
    place = item.path.relative_to(REPOSITORY / "tests").as_posix()
    return next((turn for turn, long in enumerate(LONG_PLACES) if place.startswith(long)), len(LONG_PLACES))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the quick tests, and put the long files first."""
    items.sort(key=_turn)
    for item in items:
        room, *_ = item.path.relative_to(REPOSITORY / "tests").parts
        is_slow = item.path.name in SLOW_FILES or item.name.startswith("test_every_paper_plans")
        if room in QUICK_ROOMS and not is_slow:
            item.add_marker(pytest.mark.quick)


@pytest.fixture(autouse=True)
def settled_processor() -> None:
    """One thread, since the other cores belong to other tests, and the usual arithmetic near zero.

    Training in this process flushes denormal numbers, which hypothesis would refuse to work with.
    """
    torch.set_num_threads(1)
    torch.set_flush_denormal(False)


@pytest.fixture(autouse=True)
def nothing_said() -> None:
    """Nothing of a plan has been said yet, as where a command begins."""
    loading.SAID.clear()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with real data for development: $GANTRY_SHARED or ../shared beside the checkout."""
    folder = Path(os.environ.get("GANTRY_SHARED", REPOSITORY.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"real data not found: {folder} (set GANTRY_SHARED to the folder that holds data/)")
    return folder
