"""Python runs this file first in every process whose PYTHONPATH has its folder: the chaos run's hand inside.

$GANTRY_FAULT names a file with 'name turn': the turn-th flush of a file whose path holds `name` cuts that file
to half its size and kills the process. $GANTRY_COUNT names a file that gets a byte for each iteration of
training. $GANTRY_SLOW is how many seconds each iteration takes longer. $GANTRY_STEPS names a file that gets a line when
a `gantry` command begins, and one when it ends: what, when, process, command, node, GPUs.
"""

import atexit
import os
import signal
import sys
import time
from pathlib import Path

_fsync = os.fsync


def fsync(file: int) -> None:
    """Flush, unless it is this file's turn to be cut."""
    _wrap_iterations()
    order = Path(os.environ.get("GANTRY_FAULT", ""))
    if order.is_file():
        name, turn = order.read_text().split()
        path = Path(f"/proc/self/fd/{file}").readlink()
        if path.is_file() and name in str(path):
            if int(turn) > 1:
                order.write_text(f"{name} {int(turn) - 1}")
            else:
                order.unlink()
                os.truncate(path, path.stat().st_size // 2)
                os.kill(os.getpid(), signal.SIGKILL)
    _fsync(file)


def _wrap_iterations() -> None:
    """Wrap the trainer's iteration, once; every trainer flushes its spec before it begins."""
    loop = sys.modules.get("gantry.training.train")
    if loop is None or hasattr(loop.Trainer, "unwrapped"):
        return
    loop.Trainer.unwrapped = iterate = loop.Trainer.iterate
    count = os.open(os.environ.get("GANTRY_COUNT", os.devnull), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    slow = float(os.environ.get("GANTRY_SLOW", "0"))

    def wrapped(self: object) -> None:
        iterate(self)
        time.sleep(slow)
        os.write(count, b".")

    loop.Trainer.iterate = wrapped


def _log_step() -> None:
    """Note when this process begins and ends, if it is a command of gantry."""
    log, (_, script, command, *_) = os.environ.get("GANTRY_STEPS"), (*sys.orig_argv, "", "", "")
    if not log or Path(script).name != "gantry":
        return
    where = (os.environ.get(name, "none") for name in ("SLURMD_NODENAME", "CUDA_VISIBLE_DEVICES"))
    about = " ".join((str(os.getpid()), command, *where))

    def note(what: str) -> None:
        with Path(log).open("a") as stream:
            stream.write(f"{what} {time.time():.6f} {about}\n")

    note("begin")
    atexit.register(note, "end")


os.fsync = fsync
_log_step()
