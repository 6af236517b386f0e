"""benchmarks/gpu.py without a GPU: rows of children with deadlines, what is lost, and what it needs."""

import argparse
import csv
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
# What a bare machine with PyTorch, matplotlib and pydantic has not.
MISSING = (
    "yaml", "safetensors", "tqdm", "pandas", "scipy", "sklearn", "torchvision", "snakemake", "cleanfid", "lmdb",
    "plotly", "itables", "tensorboard",
)  # fmt: skip


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The script as a module."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import gpu

    yield gpu
    for name in ("gpu", "gpu_recipes", "gpu_tables"):
        sys.modules.pop(name, None)


def options(gpu: Any, out: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> argparse.Namespace:
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--out", str(out), *more])
    found: argparse.Namespace = gpu.arguments()
    return found


def test_recipes_are_those_of_the_workflow(gpu: Any) -> None:
    assert gpu.gpu_recipes.read() == gpu.gpu_recipes.current(), "run benchmarks/gpu_recipes.py"


def test_bf16_comes_first_and_tables_are_chosen(
    gpu: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = options(gpu, tmp_path, monkeypatch, "--tables", "steps", "--recipes", "edgan", "bcgan")
    assert [job.precision for job in gpu.jobs(told)] == ["bf16"] * 2 + ["tf32"] * 2 + ["fp32"] * 2
    told = options(gpu, tmp_path, monkeypatch, "--tables", "processes", "--processes", "1", "3")
    assert [(job.table, job.count) for job in gpu.jobs(told)] == [("processes", 1), ("processes", 3)]


def test_a_child_that_hangs_or_fails_keeps_the_rows_that_it_had_told(gpu: Any) -> None:
    row = f"print({gpu.MARK!r} + '{{\"a\": 1}}', flush=True)"
    began = time.monotonic()
    # With a child of its own, which must go too.
    hangs = f"import subprocess, time; {row}; subprocess.run(['sleep', '60'])"
    rows, failure = gpu.child([sys.executable, "-c", hangs], 3)
    assert time.monotonic() - began < 20
    assert rows == [{"a": 1}] and failure == "given up after 3 seconds"
    fails = f"{row}; raise ValueError('no such kernel')"
    rows, failure = gpu.child([sys.executable, "-c", fails], 20)
    assert rows == [{"a": 1}] and failure == "exit code 1: ValueError: no such kernel"
    assert gpu.child([sys.executable, "-c", row], 20) == ([{"a": 1}], "")


def test_one_failed_row_loses_that_row_only_and_all_is_written(
    gpu: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = options(gpu, tmp_path, monkeypatch, "--tables", "processes", "--processes", "1", "2", "4")
    files: list[str] = []

    def child(command: list[str], patience: float) -> tuple[list[dict[str, Any]], str]:
        job = gpu.Job(*json.loads(command[-1]))
        files.append(sorted(path.name for path in tmp_path.iterdir()))  # type: ignore[arg-type]
        if job.count == 2:
            return [], "exit code -11: Segmentation fault"
        return [{"processes": job.count, "iterations_per_second": 10.0 * job.count**0.5}], ""

    monkeypatch.setattr(gpu, "child", child)
    session = gpu.Session(told)
    for job in gpu.jobs(told):
        session.run(job)
    assert "processes.csv" in files[1], "written as they come"
    with (tmp_path / "processes.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["processes"], float(row["speed_up"])) for row in rows] == [("1", 1.0), ("4", 2.0)]
    machine = json.loads((tmp_path / "machine.json").read_text())
    assert machine["failed"] == {"processes-edgan-bf16-2": "exit code -11: Segmentation fault"}
    session.start -= told.budget
    session.run(gpu.Job("features"))
    assert session.machine["failed"]["features"] == "not begun: the time was up"


def test_a_row_needs_no_more_than_a_bare_machine_has(tmp_path: Path) -> None:
    blocked = f"import sys; sys.modules.update(dict.fromkeys({MISSING!r}))"
    run = f"sys.argv = {['gpu.py', '--out', str(tmp_path), '--device', 'cpu', '--quick', '--seconds', '0.01']!r}"
    job = json.dumps(["steps", "synthetic_bcgan", "bf16"])
    program = (
        f"{blocked}; sys.path.insert(0, {str(BENCHMARKS)!r}); {run} + ['--job', {job!r}]; "
        "import gpu_features, gpu_generators, gpu_tables, gpu; gpu.main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("row: ")]
    row = json.loads(line.removeprefix("row: "))
    assert (row["recipe"], row["precision"]) == ("synthetic_bcgan", "bf16")
    assert row["gflop"] == pytest.approx(row["gflop_planned"], rel=0.01)
