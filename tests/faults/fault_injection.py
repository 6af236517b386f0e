"""A run of the whole workflow at toy size that can be struck by one fault, and then be started again."""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
TESTS = REPOSITORY / "tests/workflow"
INJECTED = HERE / "injected"
CONFIG = {
    "scale": str(TESTS / "tiny.yaml"),
    "papers": ["sketch"],
    "segment_iterations": 60,
    "datasets": {"mixture": {"images": 20000, "options": {"count": 20000}}},
    "workloads": {"synthetic": {"iterations": 120, "checkpoint_every": 20, "snapshots": [60, 120]}},
}
TARGETS = ["results/data/digits-32/manifest.json", "results/tiny/report.html"]
ITERATIONS = 2 * 120  # of both recipes together
# What a step rests on: the files, of those in `results`, that are there before it strikes.
MADE_BEFORE = {
    "prepare": (),
    "train": ("data/**/*",),
    "score-run": ("data/**/*", "tiny/runs/**/record-*.json", "tiny/runs/**/work/**/*"),
    **dict.fromkeys(("table", "figure", "claims"), ("data/**/*", "tiny/runs/**/*")),
    "page": ("data/**/*", "tiny/runs/**/*", "tiny/sketch/*"),
}
PATIENCE = 1800.0


@dataclass(frozen=True)
class Fault:
    """What strikes (a signal at whom, or a write cut short) and when: `delay` after the step `verb` began."""

    kind: str
    verb: str
    delay: float = 0.0
    turn: int = 1

    def __str__(self) -> str:
        if self.kind.startswith("write "):
            return f"SIGKILL in the midst of {self.kind}, the {self.turn}. time"
        return f"{self.kind} {self.delay:.2f} s after `gantry {self.verb}` began"


# Whom a signal is sent to: the step's own process, Snakemake alone, or their group, as a terminal's Ctrl-C.
SIGNALS = {
    "SIGKILL to the step": (signal.SIGKILL, "step"),
    "SIGTERM to the step": (signal.SIGTERM, "step"),
    "SIGKILL to Snakemake alone": (signal.SIGKILL, "snakemake"),
    "SIGTERM to Snakemake alone": (signal.SIGTERM, "snakemake"),
    "SIGKILL to the group": (signal.SIGKILL, "group"),
    "SIGTERM to the group": (signal.SIGTERM, "group"),
    "Ctrl-C": (signal.SIGINT, "group"),
}
VERBS = {
    "prepare": 0.3,
    "train": 2.5,
    "score-run": 0.5,
    "table": 0.3,
    "figure": 0.8,
    "claims": 0.3,
    "page": 0.8,
}
WRITES = {
    "state.bin": ("train", 7), "safetensors": ("train", 6), "record-": ("train", 2), "history.csv": ("train", 2),
    "spec.json": ("train", 2), "metrics-": ("score-run", 2), "samples-": ("score-run", 2),
    "manifest.json": ("prepare", 1), "points.npy": ("prepare", 1), "modes.csv": ("table", 1), "modes.tex": ("table", 1),
    "places.png": ("figure", 1), "rise.svg": ("figure", 1), "said.md": ("claims", 1),
    "report.html": ("page", 1),
}  # fmt: skip


class Process(Protocol):
    """What is needed of a process: `subprocess.Popen`, or the chaos run's own."""

    pid: int

    def poll(self) -> int | None: ...
    def wait(self, timeout: float) -> int: ...


def started(arguments: list[str], folder: Path, environment: dict[str, str], log: Path) -> Process:
    """The command line of Snakemake, as typed."""
    with log.open("ab") as stream:
        return subprocess.Popen(
            [sys.executable, "-m", "snakemake", *arguments],
            cwd=folder, env=environment, stdout=stream, stderr=stream, start_new_session=True,
        )  # fmt: skip


Launch = Callable[[list[str], Path, dict[str, str], Path], Process]


class Site:
    """A checkout in which Snakemake runs, is struck, and runs again; `made` and `verb` say what is there already."""

    def __init__(
        self, folder: Path, made: Path | None = None, verb: str = "prepare", launch: Launch = started
    ) -> None:
        self.folder = folder
        self.launch = launch
        self.iterations_needed = ITERATIONS if verb in ("prepare", "train") else 0
        folder.mkdir(parents=True)
        for name in ("Snakefile", "config.yaml"):
            shutil.copy(REPOSITORY / name, folder)
        for name in ("workflow", "profiles"):
            shutil.copytree(REPOSITORY / name, folder / name)
        (folder / "workflow/experiments/sketch.yaml").write_text(paper_of_points())
        if made is not None:
            for pattern in MADE_BEFORE[verb]:
                for path in filter(Path.is_file, made.glob(f"results/{pattern}")):
                    place = folder / path.relative_to(made)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(path, place)
        self.fault, self.count = folder / "fault", folder / "count"
        self.log = folder / "snakemake.log"

    def start(self) -> Process:
        """The one command, in a group of its own."""
        settings = [
            f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in CONFIG.items()
        ]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {
            "PATH": path,
            "PYTHONPATH": os.pathsep.join(filter(None, [str(INJECTED), os.environ.get("PYTHONPATH")])),
            "TMPDIR": str(scratch()),
            "GANTRY_FAULT": str(self.fault),
            "GANTRY_COUNT": str(self.count),
            "OMP_NUM_THREADS": "1",
        }
        return self.launch(
            [*TARGETS, "--cores", "1", "--config", *settings], self.folder, environment, self.log
        )

    def finish(self) -> int:
        """Run the command to its end; its exit code."""
        snakemake = self.start()
        try:
            return snakemake.wait(timeout=PATIENCE)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(snakemake.pid, signal.SIGKILL)

    def strike(self, fault: Fault) -> bool:
        """Run the command with this fault; False if it ended before the fault had its turn."""
        if fault.kind.startswith("write "):
            self.fault.write_text(f"{fault.kind.removeprefix('write ')} {fault.turn}")
        snakemake = self.start()
        give_up = time.monotonic() + PATIENCE
        struck = False
        while snakemake.poll() is None and time.monotonic() < give_up:
            if fault.kind in SIGNALS and not struck and self._steps(fault.verb):
                time.sleep(fault.delay)
                struck = self._signal(snakemake, *SIGNALS[fault.kind])
            time.sleep(0.05)
        if snakemake.poll() is None:
            os.killpg(snakemake.pid, signal.SIGKILL)
            raise TimeoutError(f"Snakemake did not end after {fault}:\n{self.log.read_text()[-3000:]}")
        if fault.kind in SIGNALS:
            return struck
        struck = not self.fault.exists()
        self.fault.unlink(missing_ok=True)
        return struck

    def settle(self) -> None:
        """Wait until no step is at work any more: those of a Snakemake that was killed take a second to notice."""
        while any(
            process
            for words in (b"gantry.system.forkserver", b"bin/gantry")
            for process in self._processes(words)
        ):
            time.sleep(0.05)

    def _signal(self, snakemake: Process, number: int, whom: str) -> bool:
        try:
            if whom == "group":
                os.killpg(snakemake.pid, number)
            elif whom == "snakemake":
                os.kill(snakemake.pid, number)
            else:
                # The process that does the work: in the forkserver's child, if there is one.
                steps = [*self._processes(b"gantry.system.forkserver"), *self._processes(b"gantry")]
                steps = [pid for pid in steps if pid != snakemake.pid]
                if not steps:
                    return False
                os.kill(steps[0], number)
        except ProcessLookupError:
            return False
        return True

    def _steps(self, verb: str) -> list[int]:
        return list(self._processes(b"bin/gantry\0" + verb.encode() + b"\0"))

    def _processes(self, words: bytes) -> Iterator[int]:
        """The processes at work in this folder whose command line holds these words."""
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                line = (process / "cmdline").read_bytes()
                is_step = b"snakemake" not in line and b"/bin/bash" not in line and words in line
                if is_step and (process / "cwd").readlink() == self.folder:
                    yield int(process.name)

    def results(self) -> dict[str, str]:
        """What must be as in a run left alone: checkpoints, scores, tables, figures, prepared sets."""
        patterns = ("results/tiny/runs/**/*.safetensors", "results/tiny/runs/**/metrics-*.csv",
                    "results/tiny/runs/**/samples-*.npz", "results/tiny/sketch/*", "results/data/*/*.npy")  # fmt: skip
        files = [path for pattern in patterns for path in sorted(self.folder.glob(pattern))]
        found = {
            str(path.relative_to(self.folder)): _digest(path)
            for path in files
            if path.is_file() and path.suffix not in (".log", ".part") and not path.match("*.record.json")
        }
        for page in self.folder.glob("results/tiny/report.html"):  # it names the times of the runs
            found["report.html"] = "whole" if page.read_text().rstrip().endswith("</html>") else "cut"
        for record in sorted(self.folder.glob("results/tiny/runs/**/record-*.json")):
            content = json.loads(record.read_text())
            del content["provenance"], content["digest"]  # which hold times
            found[str(record.relative_to(self.folder))] = json.dumps(content)
        return found

    def litter(self) -> list[Path]:
        """Half-written files, which the next writer of the same file sweeps."""
        return sorted(
            path for path in self.folder.glob("results/**/.*") if not path.name.startswith(".snakemake")
        )

    def iterations(self) -> int:
        """Iterations of training done so far, those that were lost among them."""
        return self.count.stat().st_size if self.count.exists() else 0


def scratch() -> Path:
    """A folder for temporary files of our own: it has the forkserver of its own, with our hand inside."""
    folder = Path(tempfile.gettempdir()) / f"faults-{os.getpid()}"
    folder.mkdir(exist_ok=True)
    return folder


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def differences(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """The files that are missing, too many, or different."""
    return sorted(key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key))


def paper_of_points() -> str:
    """The tests' own paper without its images, whose training takes longer."""
    paper = yaml.safe_load((TESTS / "sketch.yaml").read_text())
    paper["outputs"] = {
        name: output
        for name, output in paper["outputs"].items()
        if output["runs"][0]["datasets"] == ["mixture"]
    }
    return str(yaml.safe_dump(paper))
