"""Checkouts of their own: one in which Snakemake runs for real, one in which single steps are called."""

import errno
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from gantry.cli import run
from gantry.files import canonical_json
from gantry.plan import load_plan
from gantry.plan.configuration import merged

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
TINY = HERE / "tiny.yaml"


@dataclass(frozen=True)
class Done:
    """How a run of Snakemake ended."""

    code: int
    seconds: float
    output: str

    @property
    def jobs(self) -> set[tuple[str, str]]:
        """(rule, its first output) of every job that the output announces."""
        announced = re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", self.output, re.MULTILINE)
        return {
            (rule, found[1])
            for rule, body in announced
            if (found := re.search(r"^    output: ([^,\n]+)", body, re.MULTILINE))
        }

    def outputs(self, rule: str) -> set[str]:
        """The first outputs of the jobs of one rule."""
        return {output for name, output in self.jobs if name == rule}


class Snakes:
    """Snakemake, imported once."""

    def __init__(self, folder: Path) -> None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.log = folder / "snakemake.log"
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "snakes.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        )

    def run(self, folder: Path, *arguments: str) -> Done:
        """Run `snakemake ARGUMENTS` in `folder`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        request = {"arguments": arguments, "folder": str(folder), "output": str(self.log)}
        print(json.dumps(request), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        return Done(answer["code"], answer["seconds"], self.log.read_text(encoding="utf-8"))

    def close(self) -> None:
        """End the process that waits for commands."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=30)


class Checkout:
    """A folder with the files of the repository that Snakemake reads, and its results."""

    def __init__(self, folder: Path, snakes: Snakes) -> None:
        self.folder = folder
        self.snakes = snakes
        for name in ("Snakefile", "config.yaml"):
            shutil.copy(REPOSITORY / name, folder)
        for name in ("workflow", "profiles"):
            shutil.copytree(REPOSITORY / name, folder / name)

    def snakemake(self, *arguments: str, **config: Any) -> Done:
        """Run Snakemake with targets and options, and `config` as after --config."""
        settings = [
            f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in config.items()
        ]
        return self.snakes.run(self.folder, *arguments, "--config", *settings)


@pytest.fixture(scope="session")
def snakes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snakes]:
    """Snakemake, for all tests of this folder."""
    server = Snakes(tmp_path_factory.mktemp("snakes"))
    yield server
    server.close()


# ── single steps ──────────────────────────────────────────────────────────────────────────────────────

CONFIG: dict[str, Any] = {
    "scale": str(HERE / "tiny.yaml"),
    "papers": ["sketch"],
    "seeds": [0],
    "segment_iterations": 10,
    "datasets": {"mixture": {"images": 300, "options": {"count": 300}}},
}
RUN = Path("results/tiny/runs/mixture/points_two/seed0")
SEAL = RUN / "seal-10.json"
MANIFEST = Path("results/data/mixture/manifest.json")
Gantry = Callable[..., tuple[int, str]]


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """`folder` as the working directory, with the workflow, the tests' own paper and its points prepared."""
    shutil.copytree(REPOSITORY / "workflow", folder / "workflow")
    shutil.copy(REPOSITORY / "config.yaml", folder)
    shutil.copy(HERE / "sketch.yaml", folder / "workflow/experiments")
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert run(["prepare", "mixture", "--config", json.dumps(CONFIG), "--out", str(MANIFEST)]) == 0
        yield
    finally:
        os.chdir(before)
        torch.set_flush_denormal(False)


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


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a prepared set and one sealed segment of a run, trained by the command line."""
    folder = tmp_path_factory.mktemp("made")
    with working_in(folder):
        assert run(train_arguments()) == 0
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of it, to be spoilt, as the working directory."""
    copy = tmp_path / "copy"
    shutil.copytree(made, copy)
    monkeypatch.chdir(copy)
    yield copy
    torch.set_flush_denormal(False)


@pytest.fixture
def gantry(capfd: pytest.CaptureFixture[str]) -> Gantry:
    """Run one verb in this process: its exit code and everything it printed."""

    def call(*arguments: str) -> tuple[int, str]:
        capfd.readouterr()
        code = run(list(arguments))
        caught = capfd.readouterr()
        return code, caught.out + caught.err

    return call


def train_arguments(until: int = 10, device: str = "cpu", **config: Any) -> list[str]:
    plan = load_plan(merged(CONFIG, config))
    spec = plan.run("mixture", "points_two", 0).spec
    seal = RUN / f"seal-{until}.json"
    return ["train", "--spec", canonical_json(spec), "--data", str(MANIFEST), "--until", str(until),
            "--seal", str(seal), "--device", device]  # fmt: skip


def score_arguments(**scoring: Any) -> list[str]:
    plan = load_plan(CONFIG)
    told = plan.scoring(plan.run("mixture", "points_two", 0)) | scoring
    return ["score-run", "--seal", str(SEAL), "--data", str(MANIFEST), "--scoring", json.dumps(told),
            "--metrics", str(RUN / "metrics-10.csv"), "--samples", str(RUN / "samples-10.npz")]  # fmt: skip


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
