"""From the steps of a workflow to the terminal of Snakemake: short messages over a datagram socket.

Snakemake's terminal belongs to one line for all jobs. So where GANTRY_PROGRESS names the socket of a display, a step
says there how far it is, and prints nothing; without a display it prints, as by hand or into a cluster's log.
"""

import contextlib
import json
import os
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

VARIABLE = "GANTRY_PROGRESS"
LARGEST_MESSAGE = 1 << 20  # bytes
Message = dict[str, Any]


def is_watched() -> bool:
    """Whether a display shows what this process does."""
    path = os.environ.get(VARIABLE)
    return bool(path) and Path(str(path)).exists()


def send(message: Message) -> bool:
    """Send `message` to the display, if there is one; return whether there is. Never waits, never raises."""
    if not is_watched():
        return False
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        with contextlib.suppress(BlockingIOError):  # the display is behind: the next message will do
            sender.sendto(json.dumps(message).encode(), os.environ[VARIABLE])
        return True
    return False


def tell(text: str) -> None:
    """Say something on standard error, or above the display's line."""
    if not send({"text": text}):
        print(text, file=sys.stderr, flush=True)


class Inbox:
    """The display's end: calls `receive` with each message, and `tick` every second, in a thread of its own."""

    def __init__(self, receive: Callable[[Message], None], tick: Callable[[], None]) -> None:
        self.receive, self.tick = receive, tick
        self.folder = Path(tempfile.mkdtemp(prefix="gantry-progress-"))
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.folder / "socket"))
        self.socket.settimeout(1.0)
        os.environ[VARIABLE] = str(self.folder / "socket")
        self.is_open = True
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self) -> None:
        while self.is_open:
            try:
                message = json.loads(self.socket.recv(LARGEST_MESSAGE))
            except TimeoutError:
                self.tick()
            except (OSError, ValueError):
                continue
            else:
                self.receive(message)
                self.tick()

    def close(self) -> None:
        """Take the socket away: steps that are still at work print for themselves again."""
        os.environ.pop(VARIABLE, None)
        self.is_open = False
        shutil.rmtree(self.folder, ignore_errors=True)
        self.thread.join(timeout=2.0)
        self.socket.close()
