"""Python runs this file first in every process whose PYTHONPATH has its folder: the chaos run's hand inside.

$GANTRY_FAULT names a file with 'name turn': the turn-th flush of a file whose path holds `name` cuts that file
to half its size and kills the process. $GANTRY_COUNT names a file that gets a byte for each iteration of
training. $GANTRY_SLOW is how many seconds each iteration takes longer.
"""

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


os.fsync = fsync
