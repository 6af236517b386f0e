"""Users' mistakes, through the command line: exit code 2, one message with the culprit and the fix, no
traceback, and nothing damaged that was there before. Here: locks, GPUs, disks.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tests.workflow.steps import (
    RECORD,
    RUN,
    SAMPLES,
    Gantry,
    contents,
    fill,
    refused,
    score_arguments,
    small_disk,
    train_arguments,
)

from gantry.system import lock

# ── the machine ───────────────────────────────────────────────────────────────────────────────────────


def test_a_second_trainer_on_the_same_run(
    folder: Path, gantry: Gantry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one, here any process with the lock, is named."""
    monkeypatch.setattr(lock, "PATIENCE_SECONDS", 0.3)
    code = (
        "import fcntl, sys; lock = open(sys.argv[1], 'a+'); fcntl.flock(lock, fcntl.LOCK_EX); "
        "lock.truncate(0); lock.write('process 4711 on elsewhere'); lock.flush(); print('held', flush=True); "
        "sys.stdin.read()"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", code, str(RUN / "work/lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        before = contents()
        answer = gantry(*train_arguments(20))
        refused(answer, str(RUN), "another trainer (process 4711 on elsewhere)", "wait for it or stop it")
        assert contents() == before
        assert first.stdin is not None
        first.stdin.close()
    assert gantry(*train_arguments(20))[0] == 0, "the lock outlived its holder"


def test_no_gpu_where_one_is_needed(folder: Path, gantry: Gantry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    before = contents()
    answer = gantry(*train_arguments(20, device="cuda"))
    refused(answer, "PyTorch sees none", "--config scale=quick", "--config device=cpu")
    assert contents() == before


@pytest.fixture
def disk(folder: Path) -> Iterator[Path]:
    """The run's folder on a disk of its own: 512 kB, mounted."""
    kept = folder / "kept"
    RUN.rename(kept)
    with small_disk(RUN, "512k"):
        shutil.copytree(kept, RUN, dirs_exist_ok=True)
        yield RUN


@pytest.mark.parametrize("leave", [0, 4096, 8192, 16384, 28672, 40960])
def test_a_full_disk_while_training(disk: Path, gantry: Gantry, leave: int) -> None:
    """Wherever it fills up: one message, the last state stays good, and with space training goes on."""
    record = json.loads(RECORD.read_text())
    filler = fill(disk, leave)
    before = contents()
    refused(gantry(*train_arguments(20)), str(RUN), "cannot be written", "free some space")
    after = contents()
    assert {path: after[path] for path in before if "history" not in path and "state.bin" not in path} == {
        path: digest for path, digest in before.items() if "history" not in path and "state.bin" not in path
    }
    assert not [path for path in after if path.endswith(".part")], "half a file was left behind"
    filler.unlink()
    code, output = gantry(*train_arguments(20))
    assert code == 0, output
    longer = json.loads((RUN / "record-20.json").read_text())
    assert longer["checkpoints"][:1] == record["checkpoints"]


def test_a_full_disk_while_scoring(disk: Path, gantry: Gantry) -> None:
    filler = fill(disk, 0)
    before = contents()
    refused(gantry(*score_arguments()), f"{SAMPLES}: cannot be written", "free some space")
    assert contents() == before
    filler.unlink()
    assert gantry(*score_arguments())[0] == 0


def test_results_that_may_not_be_written(folder: Path, gantry: Gantry) -> None:
    """By a mount for root, whom permissions do not stop; by permissions for everybody else."""
    is_root = os.geteuid() == 0
    if is_root:
        bound = subprocess.run(["mount", "--bind", str(RUN), str(RUN)], capture_output=True, text=True)
        if bound.returncode:
            pytest.skip(f"mounting is not allowed here: {bound.stderr.strip()}")
        subprocess.run(["mount", "-o", "remount,bind,ro", str(RUN)], check=True)
    else:
        for path in (RUN, *RUN.rglob("*")):
            path.chmod(path.stat().st_mode & ~0o222)
    try:
        before = contents()
        refused(
            gantry(*train_arguments(20)), str(RUN), "cannot be written", "choose another `results` folder"
        )
        refused(gantry(*score_arguments()), f"{SAMPLES}: cannot be written", "another `results` folder")
        assert contents() == before
    finally:
        if is_root:
            subprocess.run(["umount", str(RUN)], check=True)
        else:
            for path in (RUN, *RUN.rglob("*")):
                path.chmod(path.stat().st_mode | 0o200)


def test_a_lock_is_free_when_nobody_holds_it(folder: Path) -> None:
    """What the test of two trainers rests on: held, it says who holds it; let go, it is anybody's."""
    path = RUN / "work/lock"
    with lock.exclusive_lock(path):
        with path.open("a+") as stream, pytest.raises(BlockingIOError):
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert (lock.holder(path) or "").startswith(f"process {os.getpid()} on ")
    assert lock.holder(path) is None
    with path.open("a+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
