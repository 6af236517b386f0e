"""A process that holds something, for tests of who may have it besides."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def holding(tools: Any, hold: Any) -> Iterator[int]:
    """A child that has entered the context manager `hold` and stays in it; killed at the end."""
    ready, tell = os.pipe()

    def work() -> None:
        with hold as held:
            os.write(tell, f"{held}\n".encode())
            time.sleep(600)

    child = tools.fork(work)
    os.close(tell)
    try:
        with os.fdopen(ready) as stream:
            assert stream.readline()
        yield child
    finally:
        os.kill(child, signal.SIGKILL)
        tools.ended(child)
