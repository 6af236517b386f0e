"""Kills, everywhere: each fault in a run of the whole workflow, then the same command again.

    python tests/faults/campaign.py --kills 100 [--seed 0] [--keep]

Every fault starts from a fresh checkout (with or without prepared data), strikes once, and is followed by the
same command with nothing cleaned by hand; the results must be those of a run that was left alone, to the bit.
Prints each fault, and at the end: faults injected, iterations of training done twice, wrong results.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
TESTS = REPOSITORY / "tests/workflow"
CONFIG = {
    "scale": str(TESTS / "tiny.yaml"),
    "papers": ["sketch"],
    "segment_iterations": 300,
    "datasets": {"mixture": {"images": 20000, "options": {"count": 20000}}},
    "workloads": {"synthetic": {"iterations": 600, "checkpoint_every": 100, "snapshots": [300, 600]}},
}
TARGETS = [
    "results/data/digits-32/manifest.json",
    *(f"results/tiny/sketch/{name}" for name in ("modes.csv", "places.png", "rise.png", "said.csv")),
]
ITERATIONS = 2 * 600  # of both recipes together
PREPARED = ("results/data",)
PATIENCE = 900.0


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
VERBS = {"prepare": 0.3, "train": 2.5, "score-run": 0.5, "table": 0.3, "figure": 0.8, "claims": 0.3}
WRITES = {
    "state.bin": ("train", 7), "safetensors": ("train", 6), "seal-": ("train", 2), "history.csv": ("train", 2),
    "spec.json": ("train", 2), "metrics-": ("score-run", 2), "samples-": ("score-run", 2),
    "manifest.json": ("prepare", 1), "points.npy": ("prepare", 1), "modes.csv": ("table", 1), "modes.tex": ("table", 1),
    "places.png": ("figure", 1), "rise.svg": ("figure", 1), "said.md": ("claims", 1),
}  # fmt: skip


def draw(chance: random.Random) -> Fault:
    """A fault at random: as often a write that is cut short as a signal."""
    if chance.random() < 0.5:
        name = chance.choice(sorted(WRITES))
        verb, turns = WRITES[name]
        return Fault(f"write {name}", verb, turn=chance.randint(1, turns))
    verb = chance.choice(["train", "train", *VERBS])
    return Fault(chance.choice(sorted(SIGNALS)), verb, delay=chance.uniform(0, VERBS[verb]))


class Site:
    """A checkout in which Snakemake runs, is struck, and runs again."""

    def __init__(self, folder: Path, prepared: Path | None = None) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        for name in ("Snakefile", "config.yaml"):
            shutil.copy(REPOSITORY / name, folder)
        for name in ("workflow", "profiles"):
            shutil.copytree(REPOSITORY / name, folder / name)
        shutil.copy(TESTS / "sketch.yaml", folder / "workflow/experiments")
        if prepared is not None:
            for name in PREPARED:
                shutil.copytree(prepared / name, folder / name)
        self.fault, self.count = folder / "fault", folder / "count"
        self.log = folder / "snakemake.log"

    def start(self) -> subprocess.Popen[bytes]:
        """The one command, in a group of its own."""
        settings = [
            f"{key}={each if isinstance(each, str) else json.dumps(each)}" for key, each in CONFIG.items()
        ]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        # A folder for temporary files of its own has a warm process of its own, with our hand inside.
        scratch = Path(tempfile.gettempdir()) / f"faults-{os.getpid()}"
        scratch.mkdir(exist_ok=True)
        environment = os.environ | {
            "PATH": path,
            "PYTHONPATH": os.pathsep.join(
                filter(None, [str(HERE / "injected"), os.environ.get("PYTHONPATH")])
            ),
            "TMPDIR": str(scratch),
            "GANTRY_FAULT": str(self.fault),
            "GANTRY_COUNT": str(self.count),
            "OMP_NUM_THREADS": "1",
        }
        log = self.log.open("ab")
        command = [sys.executable, "-m", "snakemake", *TARGETS, "--cores", "1", "--config", *settings]
        return subprocess.Popen(
            command, cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )

    def finish(self) -> int:
        """Run the command to its end; its exit code."""
        with self.start() as snakemake:
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
            time.sleep(0.02)
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
        while any(each for words in (b"gantry.warm", b"bin/gantry") for each in self._processes(words)):
            time.sleep(0.05)

    def _signal(self, snakemake: subprocess.Popen[bytes], number: int, whom: str) -> bool:
        try:
            if whom == "group":
                os.killpg(snakemake.pid, number)
            elif whom == "snakemake":
                snakemake.send_signal(number)
            else:
                # The process that does the work: in the warm process's child, if there is one.
                steps = [*self._processes(b"gantry.warm"), *self._processes(b"gantry")]
                steps = [each for each in steps if each != snakemake.pid]
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
            if path.is_file() and path.suffix not in (".log", ".part")
        }
        for seal in sorted(self.folder.glob("results/tiny/runs/**/seal-*.json")):
            content = json.loads(seal.read_text())
            del content["provenance"]
            found[str(seal.relative_to(self.folder))] = json.dumps(content)
        return found

    def litter(self) -> list[Path]:
        """Half-written files beside a run's results, which its next trainer sweeps."""
        return sorted(self.folder.glob("results/tiny/runs/*/*/*/work/**/*.part"))

    def iterations(self) -> int:
        """Iterations of training done so far, those that were lost among them."""
        return self.count.stat().st_size if self.count.exists() else 0


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def differences(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """The files that are missing, too many, or different."""
    return sorted(key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key))


def main() -> None:
    """The campaign of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", action="store_true", help="keep the folders of wrong results")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    base = Path(tempfile.mkdtemp(prefix="gantry-faults-")).resolve()
    alone = Site(base / "alone")
    assert alone.finish() == 0, alone.log.read_text()
    expected = alone.results()
    assert alone.iterations() == ITERATIONS, alone.iterations()
    counts: Counter[str] = Counter()
    lost: list[int] = []
    wrong = missed = 0
    while len(lost) < options.kills:
        fault = draw(chance)
        site = Site(base / f"fault{len(lost)}", None if fault.verb == "prepare" else alone.folder)
        struck = site.strike(fault)
        code = site.finish()
        bad = differences(site.results(), expected) + [str(path) for path in site.litter()]
        if code:
            bad.append(f"the same command ended with {code}: {site.log.read_text()[-2000:]}")
        if not struck and not bad:
            missed += 1  # the step had ended: no fault
        else:
            lost.append(site.iterations() - ITERATIONS)
            counts[fault.kind] += 1
            wrong += bool(bad)
            print(f"{len(lost):3}  {fault}: {lost[-1]} iterations lost; {bad or 'right'}", flush=True)
        if not (options.keep and bad):
            shutil.rmtree(site.folder)
    print(f"\nfaults injected: {len(lost)} ({missed} more came too late to be any)")
    for kind, count in sorted(counts.items()):
        print(f"  {kind}: {count}")
    again = sum(lost)
    print(f"iterations done again: {again} in all, {again / len(lost):.1f} a fault, {max(lost)} at most")
    print(f"  (each run saves its state every 100 iterations; {ITERATIONS} are needed)")
    print(f"wrong results: {wrong}")
    if not (options.keep and wrong):
        shutil.rmtree(base)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
