"""Checkouts in which Snakemake runs for real: of the shipped papers, and of the tests' own small one."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.workflow.plans import HERE, REPOSITORY, sketch_plan

from gantry.plan.layering import merged

# What the tests' own paper is made with.
BASE = {
    "scale": str(HERE / "tiny.yaml"),
    "papers": ["sketch"],
    "segment_iterations": 20,
    "datasets": {
        "mixture": {"images": 1000, "options": {"count": 1000}},
        "digits": {"fraction": 0.05},
        "china": {"images": 40, "options": {"count": 40}},
        "flower": {"images": 40, "options": {"count": 40}},
    },
}
# The outputs that rest on points.
OF_POINTS = {"modes", "places", "rise", "said"}
PLAN = sketch_plan(BASE)
TWO = PLAN.run("mixture", "points_two", 0)
POINTS_TWO, RECORD, METRICS = PLAN.folder(TWO), PLAN.record(TWO, 20), PLAN.metrics(TWO, 20)


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


class SnakemakeServer:
    """Snakemake, imported once."""

    def __init__(self, folder: Path) -> None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.log = folder / "snakemake.log"
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "snakemake_utils.py")],
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

    def __init__(self, folder: Path, snakemake: SnakemakeServer) -> None:
        self.folder = folder
        self.server = snakemake
        for name in ("Snakefile", "config.yaml"):
            shutil.copy(REPOSITORY / name, folder)
        for name in ("workflow", "profiles"):
            shutil.copytree(REPOSITORY / name, folder / name)

    def snakemake(self, *arguments: str, **config: Any) -> Done:
        """Run Snakemake with targets and options, and `config` as after --config."""
        settings = [
            f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in config.items()
        ]
        return self.server.run(self.folder, *arguments, "--config", *settings)


class Sketch(Checkout):
    """A checkout that knows the tests' own paper and scale."""

    def __init__(self, folder: Path, snakemake: SnakemakeServer) -> None:
        super().__init__(folder, snakemake)
        self.said: Done | None = None  # how it was made
        self.paper = folder / "workflow/experiments/sketch.yaml"
        shutil.copy(HERE / "sketch.yaml", self.paper)

    def make(self, *targets: str, **config: Any) -> Done:
        """Run Snakemake for real on one core, with all that it says of its jobs."""
        return self._run(*targets, "--cores", "1", "--printshellcmds", **config)

    def make_quietly(self, *targets: str, **config: Any) -> Done:
        """Run Snakemake for real, as people type it."""
        return self._run(*targets, **config)

    def plan(self, *targets: str, **config: Any) -> Done:
        """Ask Snakemake what it would do."""
        done = self._run(*targets, "-n", **config)
        assert done.code == 0, done.output
        return done

    def report(self, file: Path) -> Done:
        """Have Snakemake write its own report."""
        return self._run("--report", str(file))

    def _run(self, *arguments: str, **config: Any) -> Done:
        return self.snakemake(*arguments, **merged(BASE, config))

    @contextmanager
    def edited(self, old: str, new: str) -> Iterator[None]:
        """The paper with `old` replaced, until the end of the block."""
        text = self.paper.read_text(encoding="utf-8")
        assert old in text
        self.paper.write_text(text.replace(old, new), encoding="utf-8")
        try:
            yield
        finally:
            self.paper.write_text(text, encoding="utf-8")

    def moved_to(self, folder: Path, *, remembers: bool = True) -> "Sketch":
        """A copy in `folder` with all results, and with Snakemake's own memory of them if it `remembers`."""
        copy = Sketch(folder, self.server)
        for name in ("results", ".snakemake") if remembers else ("results",):
            shutil.copytree(self.folder / name, folder / name)
        return copy

    def checkpoints(self, record: str) -> dict[int, str]:
        """What a record lists: iteration → SHA-256."""
        listed = json.loads((self.folder / record).read_text(encoding="utf-8"))["checkpoints"]
        return {entry["iteration"]: entry["sha256"] for entry in listed}


def names(done: Done) -> set[str]:
    """The outputs of the paper that are made anew."""
    return {Path(file).stem for rule in ("table", "figure", "claims") for file in done.outputs(rule)}
