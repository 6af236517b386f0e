"""Where callers and server of one user, one interpreter and one source meet: a socket, and a lock beside it."""

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import gantry
from gantry.system.lock import open_locked
from gantry.system.temporary import private_folder


def address() -> Path:
    """The socket of this user's server for this interpreter and this source.

    Raises PermissionError, an OSError, if others own its folder or may write there.
    """
    source = Path(gantry.__file__).parent
    newest = max(path.stat().st_mtime_ns for path in source.rglob("*.py"))
    key = hashlib.sha256(f"{sys.executable}\0{source}\0{newest}".encode()).hexdigest()[:16]
    return private_folder("gantry-forkserver") / key


@contextmanager
def claimed(path: Path) -> Iterator[IO[str] | None]:
    """Hold the lock of the one server at `path`; None where a server is at work, on its way, or about to leave."""
    lock = open_locked(path.with_suffix(".lock"))
    try:
        yield lock
    finally:
        if lock is not None:
            lock.close()
