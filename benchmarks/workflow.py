"""What the workflow itself costs: the whole of a scale from nothing, and where its time went.

    uv run python benchmarks/workflow.py --cores 2

Runs `snakemake --config scale=smoke` into a scratch folder and reads, from Snakemake's own log, when each
job began and ended (whole seconds). Prints the core-seconds of each rule, those that no job used, and the
workflow's overhead: everything but training and scoring and the reports, as a share of training and scoring.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from datetime import datetime
from pathlib import Path

STAMP = re.compile(r"^\[(\w{3} \w{3} +\d+ \d\d:\d\d:\d\d \d{4})\]$")
STARTS = re.compile(r"^(?:local)?rule (\w+):$")
JOB = re.compile(r"^ +jobid: (\d+)$")
ENDS = re.compile(r"^Finished jobid: (\d+) \(Rule: (\w+)\)$")
WORK = {"prepare", "classifier", "real_statistics", "train", "score"}
REPORT = {"table", "figure", "claims", "page"}


def job_seconds(log: str) -> dict[str, list[float]]:
    """Return the durations of all finished jobs in a Snakemake log, by rule."""
    now, rule = datetime.min, ""
    begun: dict[str, datetime] = {}
    spent: dict[str, list[float]] = defaultdict(list)
    for line in log.splitlines():
        if stamp := STAMP.match(line):
            now = datetime.strptime(stamp[1], "%a %b %d %H:%M:%S %Y")
        elif start := STARTS.match(line):
            rule = start[1]
        elif (job := JOB.match(line)) and rule:
            begun[job[1]] = now
        elif end := ENDS.match(line):
            spent[end[2]].append((now - begun[end[1]]).total_seconds())
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--scale", default="smoke")
    parser.add_argument("settings", nargs="*", metavar="key=value", help="as after snakemake's --config")
    options = parser.parse_args()
    logs = Path(".snakemake/log")
    before = set(logs.glob("*.log"))
    with tempfile.TemporaryDirectory() as scratch:
        began = time.perf_counter()
        command = ["snakemake", "--cores", str(options.cores), "--config", f"scale={options.scale}"]
        command += [f"results={scratch}", *options.settings]
        if subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
            sys.exit(f"{' '.join(command)} failed: run it by hand to see why")
        wall = time.perf_counter() - began
    (log,) = set(logs.glob("*.log")) - before
    spent = job_seconds(log.read_text(encoding="utf-8"))
    total = wall * options.cores
    print(f"scale {options.scale}, {options.cores} cores: {wall:.0f} s wall, {total:.0f} core-seconds\n")
    print("| rule | jobs | core-seconds | share |\n|:--|--:|--:|--:|")
    for rule, seconds in sorted(spent.items(), key=lambda each: -sum(each[1])):
        print(f"| {rule} | {len(seconds)} | {sum(seconds):.0f} | {sum(seconds) / total:.1%} |")
    idle = total - sum(map(sum, spent.values()))
    print(f"| (no job) | | {idle:.0f} | {idle / total:.1%} |")
    work = sum(sum(seconds) for rule, seconds in spent.items() if rule in WORK)
    report = sum(sum(seconds) for rule, seconds in spent.items() if rule in REPORT)
    print(
        f"\npreparing, training and scoring {work:.0f}, reports {report:.0f}; the workflow's own overhead ",
        end="",
    )
    print(f"{idle:.0f} core-seconds, {idle / work:.1%} of preparing, training and scoring")


if __name__ == "__main__":
    main()
