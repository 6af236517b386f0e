"""A step whose Snakemake has been killed stops."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gantry.system import orphans

STEP = (
    "import signal, sys, time; from gantry.system import orphans; orphans.LOOK_EVERY_SECONDS = 0.05; "
    "orphans.stop_if_orphaned(); "
    "print('on', flush=True); time.sleep(60)"
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


@pytest.mark.parametrize(
    "who", ["", "999999999:1", f"{os.getpid()}:1"], ids=["nobody", "gone", "not a parent"]
)
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
