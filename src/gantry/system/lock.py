"""Locks that the operating system frees when their holder dies, however it dies."""

import errno
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from gantry.errors import UserError
from gantry.progress import tell
from gantry.system.disk import writes_to

# A trainer whose Snakemake was killed takes a moment to notice and to save its state.
PATIENCE_SECONDS = 20.0


def try_lock(file: IO[Any] | int, *, shared: bool = False) -> bool:
    """Lock an open file if nobody else has; return whether it is locked. To close it is to free it.

    Several may hold a shared lock together. Raises OSError on a file system that has no locks.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return True


def open_locked(path: Path, *, shared: bool = False) -> IO[str] | None:
    """Open and lock a file, made if need be; None if somebody else holds it. To close it is to free it."""
    stream = path.open("a")
    try:
        if try_lock(stream, shared=shared):
            return stream
    except BaseException:
        stream.close()
        raise
    stream.close()
    return None


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, which then names this process; UserError if another keeps holding it."""
    with writes_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a+")
    with stream:
        _wait_for(stream, path)
        with writes_to(path):
            os.truncate(stream.fileno(), 0)
            os.write(stream.fileno(), f"{signature()}\n".encode())
        yield


def signature() -> str:
    """Name this process: 'process 4711 on node3 since 2026-01-02T03:04:05+00:00'."""
    return f"process {os.getpid()} on {socket.gethostname()} since {datetime.now(UTC).isoformat(timespec='seconds')}"


def holder(path: Path) -> str | None:
    """Return who holds the lock file `path`, in its own words; None if nobody does, or nobody can know."""
    try:
        with path.open() as stream:
            return None if try_lock(stream, shared=True) else stream.read().strip() or "unknown"
    except OSError:
        return None


def _wait_for(stream: IO[str], path: Path) -> None:
    give_up = time.monotonic() + PATIENCE_SECONDS
    waiting = False
    while not _is_free(stream, path):
        stream.seek(0)
        other = stream.read().strip() or "unknown"
        if time.monotonic() > give_up:
            raise UserError(
                f"{path.parent}: another trainer ({other}) is at work on this run; "
                "wait for it or stop it, then run the same command again"
            )
        if not waiting and PATIENCE_SECONDS:
            tell(f"{path.parent}: waiting for {other} to let go")
            waiting = True
        time.sleep(min(0.2, PATIENCE_SECONDS))


def _is_free(stream: IO[str], path: Path) -> bool:
    try:
        return try_lock(stream)
    except OSError as error:
        raise UserError(
            f"{path}: this file system has no locks ({error.strerror}); "
            "put `results` on one that has, or two trainers could overwrite each other"
        ) from error
