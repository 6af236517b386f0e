"""Steps whose Snakemake was killed: each notices that its caller is gone, and stops as if told to."""

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path

VARIABLE = "GANTRY_WORKFLOW"
LOOK_EVERY_SECONDS = 1.0


def be_watched() -> None:
    """Let the steps that this process starts know whom to watch."""
    os.environ[VARIABLE] = identity(os.getpid())


def is_of_workflow() -> bool:
    """Whether a workflow has started this process."""
    return VARIABLE in os.environ


def stop_if_orphaned() -> None:
    """Have this process get SIGTERM when its caller, if it can see one, is no more."""
    caller = os.environ.get(VARIABLE)
    if caller and is_alive(caller):
        threading.Thread(target=_watch, args=(caller,), daemon=True).start()


def identity(process: int) -> str:
    """A process's number and, on Linux, when it began: numbers are given out again."""
    try:
        # The command's name, in parentheses, may hold anything.
        state, *facts = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return f"{process}:"
    return f"{process}:{'dead' if state == 'Z' else facts[18]}"


def _watch(caller: str) -> None:
    while is_alive(caller):
        time.sleep(LOOK_EVERY_SECONDS)
    print("gantry: the snakemake that started this step is gone: stopping", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)


def is_alive(caller: str) -> bool:
    """Whether the process that `identity` has described still runs."""
    process = int(caller.partition(":")[0])
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return identity(process) == caller


def die_with_parent(number: int) -> None:
    """Ask Linux to send this process signal `number` when its parent dies; elsewhere nothing happens."""
    set_parent_death_signal = 1
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(set_parent_death_signal, number)
