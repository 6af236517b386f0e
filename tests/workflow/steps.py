"""Single steps of the workflow, called in this process: their arguments, where they run, how they end."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.workflow.plans import HERE, REPOSITORY, sketch_plan

from gantry.cli import run
from gantry.files import canonical_json
from gantry.plan import Plan, Run, load_plan
from gantry.plan.layering import merged
from gantry.runs.record import signed

CONFIG: dict[str, Any] = {
    "scale": str(HERE / "tiny.yaml"),
    "papers": ["sketch"],
    "seeds": [0],
    "segment_iterations": 10,
    "datasets": {"mixture": {"images": 300, "options": {"count": 300}}},
}
PLAN = sketch_plan(CONFIG)
TWO = PLAN.run("mixture", "points_two", 0)
SEED = Path("results/tiny/runs/mixture/points_two/seed0")
RUN, RECORD = Path(PLAN.folder(TWO)), Path(PLAN.record(TWO, 10))
SAMPLES = Path(PLAN.samples(TWO, 10))
MANIFEST = Path("results/data/mixture/manifest.json")
Gantry = Callable[..., tuple[int, str]]


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """`folder` as the working directory, with the workflow, the tests' own paper and its points prepared."""
    shutil.copytree(REPOSITORY / "workflow", folder / "workflow")
    shutil.copy(REPOSITORY / "config.yaml", folder)
    shutil.copy(HERE / "sketch.yaml", folder / "workflow/experiments")
    with _steps_in(folder):
        assert run(["prepare", "mixture", "--config", json.dumps(CONFIG), "--out", str(MANIFEST)]) == 0
        yield


@contextmanager
def in_copy_of(folder: Path, copy: Path) -> Iterator[Path]:
    """A copy of `folder`, to be spoilt, as the working directory."""
    shutil.copytree(folder, copy)
    with _steps_in(copy):
        yield copy


@contextmanager
def _steps_in(folder: Path) -> Iterator[None]:
    """`folder` as the working directory; the flag that training sets in this process is taken back."""
    with contextlib.chdir(folder):
        try:
            yield
        finally:
            torch.set_flush_denormal(False)


# ── what is asked ─────────────────────────────────────────────────────────────────────────────────────


def train_step(plan: Plan, run: Run, end: int, device: str = "cpu") -> list[str]:
    """The command that trains a run of points up to `end`."""
    record = plan.record(run, end)
    return ["train", "--spec", canonical_json(run.spec), "--data", str(MANIFEST), "--until", str(end),
            "--record", record, "--device", device]  # fmt: skip


def score_step(plan: Plan, run: Run, end: int, **scoring: Any) -> list[str]:
    """The command that scores a run's segment that ends at `end`, by the plan's scoring with `scoring` over it."""
    told = plan.scoring(run) | scoring
    return ["score-run", "--record", plan.record(run, end), "--data", str(MANIFEST),
            "--scoring", json.dumps(told), "--after", str(run.previous_end(end)),
            "--metrics", plan.metrics(run, end), "--samples", plan.samples(run, end)]  # fmt: skip


def steps(plan: Plan, key: str) -> Iterator[list[str]]:
    """The commands that train and score a run of points."""
    run = plan.runs[key]
    for end in run.ends:
        yield train_step(plan, run, end)
        yield score_step(plan, run, end)


def rewrite_record(path: Path, **changes: Any) -> None:
    """Change entries of a run record, and sign it again."""
    content = json.loads(path.read_text()) | changes
    del content["digest"]
    path.write_text(json.dumps(signed(content)))


def train_arguments(until: int = 10, device: str = "cpu", **config: Any) -> list[str]:
    """The command that trains the run in RUN."""
    plan = load_plan(merged(CONFIG, config))
    return train_step(plan, plan.run("mixture", "points_two", 0), until, device)


def score_arguments(**scoring: Any) -> list[str]:
    """The command that scores RECORD."""
    plan = load_plan(CONFIG)
    return score_step(plan, plan.run("mixture", "points_two", 0), 10, **scoring)


# ── what is answered ──────────────────────────────────────────────────────────────────────────────────


def contents(*, without: str = "lock") -> dict[str, str]:
    """Every file below the working directory with its digest; a lock file may name its last holder."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(Path().rglob("*"))
        if path.is_file() and path.name != without
    }


def refused(answer: tuple[int, str], *says: str) -> None:
    """The command ended as a user's mistake does, and its message says all of this."""
    code, output = answer
    assert code == 2, output
    assert "Traceback" not in output
    message = output[output.index("gantry: ") :]
    for part in says:
        assert part in message


# ── disks ─────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """A disk of this size ('512k'), mounted at the empty folder `place`; skips where that cannot be."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a small disk takes Linux and root")
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    mounted = subprocess.run(mount, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"mounting is not allowed here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """Leave this many bytes on the disk."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as stream, pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        while True:
            stream.write(b"\0" * 4096)
    os.truncate(filler, filler.stat().st_size - leave)
    return filler
