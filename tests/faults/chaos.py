"""Kills, everywhere: each fault in a run of the whole workflow, then the same command again.

    python tests/faults/chaos.py --kills 100 [--seed 0] [--out FOLDER] [--keep]

Every fault starts from a checkout in which the steps before the one that it strikes have been made, strikes once,
and is followed by the same command with nothing cleaned by hand; the results must be those of a run that was left
alone, to the bit. Each fault is printed, and written to FOLDER/kills.csv; FOLDER/kills.md sums up: faults injected,
iterations of training done twice, wrong results.
"""

import argparse
import contextlib
import csv
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Run as a script: `tests` is no package then.
sys.path.append(str(Path(__file__).resolve().parents[1] / "workflow"))

from fault_injection import INJECTED, ITERATIONS, SIGNALS, VERBS, WRITES, Fault, Site, differences, scratch
from snakemake_utils import be_snakemake


def draw(chance: random.Random) -> Fault:
    """A fault at random: as often a write that is cut short as a signal."""
    if chance.random() < 0.5:
        name = chance.choice(sorted(WRITES))
        verb, turns = WRITES[name]
        return Fault(f"write {name}", verb, turn=chance.randint(1, turns))
    verb = chance.choice(["train", "train", *VERBS])
    return Fault(chance.choice(sorted(SIGNALS)), verb, delay=chance.uniform(0, VERBS[verb]))


class Forked:
    """The command line of Snakemake in a fork of this process, which has imported it."""

    def __init__(self, arguments: list[str], folder: Path, environment: dict[str, str], log: Path) -> None:
        self.code: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            os.environ.clear()
            os.environ.update(environment)
            tempfile.tempdir = None  # found out before
            be_snakemake(arguments, str(folder), str(log))

    def poll(self) -> int | None:
        if self.code is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code

    def wait(self, timeout: float) -> int:
        give_up = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > give_up:
                raise TimeoutError(f"Snakemake did not end in {timeout:.0f} s")
            time.sleep(0.05)
        return code


@contextlib.contextmanager
def kept_warm() -> Iterator[None]:
    """Ask the forkserver for something every few seconds: on a slow machine it would leave between two jobs."""
    code = "import time; from gantry.system import forkserver\nwhile True: forkserver.run(['--help']); time.sleep(10)"
    environment = os.environ | {"TMPDIR": str(scratch()), "PYTHONPATH": str(INJECTED)}
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.DEVNULL) as asking:
        try:
            yield
        finally:
            asking.kill()


class Record:
    """The chaos run's figures, written after every fault."""

    def __init__(self, out: Path | None) -> None:
        self.out = out
        self.rows: list[dict[str, Any]] = []
        self.missed = 0

    def add(self, fault: Fault, lost: int, bad: list[str]) -> None:
        """Note a fault: the iterations done again, and what was wrong afterwards."""
        self.rows.append(
            {
                "fault": len(self.rows) + 1,
                "kind": fault.kind,
                "step": fault.verb,
                "seconds_after_its_start": "" if fault.kind.startswith("write ") else f"{fault.delay:.2f}",
                "turn": fault.turn if fault.kind.startswith("write ") else "",
                "iterations_lost": lost,
                "wrong": "; ".join(bad),
            }
        )
        print(f"{len(self.rows):3}  {fault}: {lost} iterations lost; {bad or 'right'}", flush=True)
        if self.out is None:
            return
        self.out.mkdir(parents=True, exist_ok=True)
        with (self.out / "kills.csv").open("w", newline="") as stream:
            writer = csv.DictWriter(stream, self.rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)
        (self.out / "kills.md").write_text(self.summary() + "\n")

    @property
    def wrong(self) -> int:
        """Faults after which something was wrong."""
        return sum(bool(row["wrong"]) for row in self.rows)

    def summary(self) -> str:
        """The figures as Markdown: a line for each kind of fault, and the sums."""
        lines = [
            "| fault | struck | iterations done again | at most | wrong results |",
            "|---|---:|---:|---:|---:|",
        ]
        kinds = sorted({row["kind"] for row in self.rows})
        for name, chosen in [*((kind, [kind]) for kind in kinds), ("**all**", kinds)]:
            rows = [row for row in self.rows if row["kind"] in chosen]
            lost = [row["iterations_lost"] for row in rows]
            wrong = sum(bool(row["wrong"]) for row in rows)
            name = f"SIGKILL in the midst of {name}" if name.startswith("write ") else name
            lines.append(f"| {name} | {len(rows)} | {sum(lost)} | {max(lost)} | {wrong} |")
        steps = Counter(row["step"] for row in self.rows)
        return "\n".join(
            [
                *lines,
                "",
                "By step: " + ", ".join(f"{step} {count}" for step, count in steps.most_common()) + ".",
                f"{self.missed} more came when their step had ended, and were none.",
                f"A state is saved every 20 iterations; {ITERATIONS} are needed in all.",
            ]
        )


def main() -> None:
    """Chaos, from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder for kills.csv and kills.md")
    parser.add_argument("--keep", action="store_true", help="keep the folders of wrong results")
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="gantry-faults-")).resolve()
    with kept_warm():
        record = chaos(base, options, random.Random(options.seed))
    print(f"\n{record.summary()}")
    if not (options.keep and record.wrong):
        shutil.rmtree(base)
    sys.exit(1 if record.wrong else 0)


def chaos(base: Path, options: argparse.Namespace, chance: random.Random) -> Record:
    """Strike as often as the options say, each time in a folder of its own below `base`."""
    alone = Site(base / "alone", launch=Forked)
    assert alone.finish() == 0, alone.log.read_text()
    expected = alone.results()
    assert alone.iterations() == ITERATIONS, alone.iterations()
    record = Record(options.out)
    while len(record.rows) < options.kills:
        fault = draw(chance)
        site = Site(base / f"fault{len(record.rows)}", alone.folder, fault.verb, launch=Forked)
        struck = site.strike(fault)
        code = site.finish()
        bad = differences(site.results(), expected) + [str(path) for path in site.litter()]
        if code:
            bad.append(f"the same command ended with {code}: {site.log.read_text()[-2000:]}")
        if not struck and not bad:
            record.missed += 1  # the step had ended: no fault
        else:
            record.add(fault, site.iterations() - site.iterations_needed, bad)
        if not (options.keep and bad):
            shutil.rmtree(site.folder)
    return record


if __name__ == "__main__":
    main()
