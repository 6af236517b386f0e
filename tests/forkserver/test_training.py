"""Training in the forkserver: the same bits, and the command line by way of a real server."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.forkserver.conftest import ended, forked, needs_proc, start_with, wait_for

from gantry.system import forkserver
from gantry.system.signals import EXIT_CONTINUE


@pytest.fixture
def training(tmp_path: Path) -> Callable[[str, int], list[str]]:
    """`training("warm", 60)`: the arguments that train a tiny run of that name to iteration 60."""
    from gantry.data import prepare
    from gantry.plan.dataset import DatasetSpec

    options = {"count": 400, "seed": 0, "side": 3, "spacing": 2.0, "variance": 0.05}
    spec = DatasetSpec(title="points", source="gaussian_grid", options=options)
    prepare(spec, "points", tmp_path, None, tmp_path / "data")
    networks = {"family": "mlp", "width": 16, "maxout_units": 16, "maxout_pieces": 2}
    recipe = {"networks": networks, "objective": {"name": "realness", "atoms": 5}, "batch_size": 16}
    told = json.dumps({"recipe": recipe, "dataset": {}, "seed": 0, "checkpoint_every": 6})

    def arguments(name: str, until: int) -> list[str]:
        record = tmp_path / name / "set/recipe/seed0" / f"record-{until}.json"
        data = str(tmp_path / "data" / "manifest.json")
        return ["train", "--spec", told, "--data", data, "--until", str(until), "--record", str(record)]

    return arguments


def checkpoints(folder: Path, until: int) -> list[dict[str, Any]]:
    return json.loads((folder / f"set/recipe/seed0/record-{until}.json").read_text())["checkpoints"]


def test_a_warm_job_gives_the_bits_of_a_cold_one(
    place: Path, tmp_path: Path, training: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gantry.cli import run

    start_with(monkeypatch, run)
    assert [forkserver.run(training(name, 12)) for name in ("warm", "again")] == [0, 0]
    assert ended(forked(lambda: run(training("cold", 12)))) == 0
    cold = checkpoints(tmp_path / "cold", 12)
    assert [entry["iteration"] for entry in cold] == [6, 12]
    assert checkpoints(tmp_path / "warm", 12) == cold == checkpoints(tmp_path / "again", 12)
    assert forkserver.run(["train", "--until", "0"]) == 2
    assert forkserver.run([*training("warm", 12)[:-2], "--record", str(tmp_path / "record-12.json")]) == 2


@needs_proc
def test_the_command_line_by_way_of_a_server(tmp_path: Path, training: Callable[..., list[str]]) -> None:
    """Real processes: a first call starts the server, SIGTERM ends it with 75, a second one goes on."""
    from gantry.cli import run

    temporary = tempfile.mkdtemp(prefix="fork-")
    environment = os.environ | {"GANTRY_FORKSERVER": "1", "TMPDIR": temporary}

    def gantry(arguments: list[str]) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "gantry.cli", *arguments]
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)

    def of_this_test() -> list[int]:
        mine = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if path.read_bytes().split(b"\0")[1:3] == [b"-m", b"gantry.system.forkserver"] and (
                    f"{temporary}/".encode() in path.read_bytes()
                ):
                    mine.append(int(path.parent.name))
        return mine

    try:
        first = gantry(training("warm", 6_000_000))
        # Not "**": it would look into the unfinished folders, which come and go while the trainer writes.
        states = "warm/set/recipe/seed0/work/*/state/state.bin"
        state = wait_for(lambda: first.poll() or list(tmp_path.glob(states)), 900)[0]
        first.send_signal(signal.SIGTERM)
        _, err = first.communicate(timeout=600)
        assert first.returncode == EXIT_CONTINUE
        assert "gantry: SIGTERM: state saved at iteration" in err
        done = max(int(path.stem) for path in state.parent.parent.glob("checkpoints/*"))
        assert len(of_this_test()) == 1
        second = gantry(training("warm", done + 12))
        second.communicate(timeout=600)
        assert second.returncode == 0
    finally:
        for process in of_this_test():
            os.kill(process, signal.SIGTERM)
        shutil.rmtree(temporary)
    assert ended(forked(lambda: run(training("cold", done + 12)))) == 0
    assert checkpoints(tmp_path / "warm", done + 12) == checkpoints(tmp_path / "cold", done + 12)
