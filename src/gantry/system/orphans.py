"""Between Snakemake and its steps, when one of them is killed: no orphans, no locks that nobody holds.

Snakemake killed by SIGKILL leaves its steps at work and its folder locked. Here a step notices that its
caller is gone and stops as if told to, and the next Snakemake takes away the locks of the dead one. So the
same command, typed again, goes on.
"""

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import IO

VARIABLE = "GANTRY_WORKFLOW"
LOOK_EVERY_SECONDS = 1.0

# Open for as long as this process lives: what is locked through it is free when the process ends.
_held: list[IO[str]] = []


def be_watched() -> None:
    """Let the steps that this process starts know whom to watch."""
    os.environ[VARIABLE] = identity(os.getpid())


def stop_if_orphaned() -> None:
    """Have this process get SIGTERM when its caller, if it can see one, is no more."""
    caller = os.environ.get(VARIABLE)
    if caller and _is_alive(caller):
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
    while _is_alive(caller):
        time.sleep(LOOK_EVERY_SECONDS)
    print("gantry: the snakemake that started this step is gone: stopping", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)


def _is_alive(caller: str) -> bool:
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


def release_stale_locks(folder: Path = Path(".snakemake")) -> bool:
    """Take away Snakemake's own locks in `folder` if no Snakemake is alive that could have set them.
    Return whether this one is alone, as far as file locks can tell.

    Each one alive holds `gantry.lock` there together with the others. Nothing is taken away if the last
    holders ran on another machine, whose locks this one may be unable to see, or without file locks.
    """
    try:
        folder.mkdir(exist_ok=True)
        stream = (folder / "gantry.lock").open("a+")
    except OSError:  # a folder that is read only: Snakemake itself will say so
        return False
    host = socket.gethostname()
    alone = False
    with contextlib.suppress(OSError):
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(stream, fcntl.LOCK_SH)
        else:
            alone = True
            stream.seek(0)
            if {line.strip() for line in stream} <= {host}:
                for lock in (folder / "locks").glob("*.lock"):
                    lock.unlink(missing_ok=True)
                stream.truncate(0)
            fcntl.flock(stream, fcntl.LOCK_SH)
        stream.write(f"{host}\n")
        stream.flush()
    _held.append(stream)
    return alone
