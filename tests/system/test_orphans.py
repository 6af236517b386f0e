"""A step whose Snakemake has been killed stops; a dead Snakemake's locks are taken away, a living one's never."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gantry.system import orphans

STEP = (
    "import signal, sys, time; from gantry.system import orphans; orphans.LOOK_EVERY_SECONDS = 0.05; "
    "orphans.stop_if_orphaned(); "
    "print('on', flush=True); time.sleep(60)"
)
SNAKEMAKE = (
    "import sys; from pathlib import Path; from gantry.system.orphans import release_stale_locks; "
    "release_stale_locks(Path(sys.argv[1])); print('on', flush=True); sys.stdin.read()"
)


def start(code: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """A Python that has printed 'on'."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )
    assert process.stdout is not None and process.stdout.readline() == "on\n"
    return process


def test_a_step_stops_when_its_caller_is_killed() -> None:
    other = start("import time; print('on', flush=True); time.sleep(60)")
    step = start(STEP, GANTRY_WORKFLOW=orphans.identity(other.pid))
    time.sleep(0.3)
    assert step.poll() is None
    other.kill()  # and not waited for: a zombie is dead
    assert step.wait(timeout=10) == -signal.SIGTERM
    assert "the snakemake that started this step is gone" in step.communicate()[1]
    other.wait()


@pytest.mark.parametrize("who", ["", "999999999:1", f"{os.getpid()}:1"])
def test_a_step_called_by_hand_or_from_elsewhere_watches_nobody(who: str) -> None:
    step = start(STEP, GANTRY_WORKFLOW=who)
    time.sleep(0.4)
    assert step.poll() is None
    step.kill()
    step.communicate()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")
def test_a_number_that_is_given_out_again_is_another_process() -> None:
    me = orphans.identity(os.getpid())
    assert me == orphans.identity(os.getpid()) and me.partition(":")[2].isdecimal()
    assert me != orphans.identity(os.getppid())


# ── Snakemake's locks ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Snakemake's folder, locked."""
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks/0.input.lock").write_text("images.npy")
    return tmp_path


@pytest.fixture
def alive(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A Snakemake at work there, which locked it after it had started."""
    process = start(SNAKEMAKE, str(folder))
    (folder / "locks/1.output.lock").write_text("record.json")
    yield process
    process.kill()
    process.communicate()


def locks(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "locks").iterdir())


def release(folder: Path) -> None:
    """What a Snakemake does that starts and ends."""
    start(SNAKEMAKE, str(folder)).communicate("")


def test_locks_of_nobody_are_taken_away(folder: Path) -> None:
    release(folder)
    assert locks(folder) == []


def test_locks_of_the_living_stay(folder: Path, alive: subprocess.Popen[str]) -> None:
    assert locks(folder) == ["1.output.lock"]
    release(folder)
    assert locks(folder) == ["1.output.lock"]


def test_locks_of_the_killed_are_taken_away(folder: Path, alive: subprocess.Popen[str]) -> None:
    alive.kill()
    alive.wait()
    release(folder)
    assert locks(folder) == []


def test_the_second_of_three_is_seen_when_the_first_has_gone(
    folder: Path, alive: subprocess.Popen[str]
) -> None:
    second = start(SNAKEMAKE, str(folder))
    alive.kill()
    alive.wait()
    release(folder)
    assert locks(folder) == ["1.output.lock"]
    second.kill()
    second.communicate()


def test_locks_from_another_machine_stay(folder: Path) -> None:
    (folder / "gantry.lock").write_text("login2.elsewhere\n")
    release(folder)
    assert locks(folder) == ["0.input.lock"]


def test_a_folder_that_may_not_be_written_is_left_to_snakemake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    orphans.release_stale_locks(tmp_path / "file" / "inside")
