"""One trainer a run: a lock that the operating system frees when its holder dies, however it dies."""

import errno
import fcntl
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from gantry.errors import UserError

# A trainer whose Snakemake was killed takes a moment to notice and to save its state.
PATIENCE_SECONDS = 20.0


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, which then names this process; UserError if another keeps holding it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a+")
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written: {error.strerror}; choose another `results` folder"
        ) from error
    with stream:
        _take(stream, path)
        try:
            os.truncate(stream.fileno(), 0)
            os.write(stream.fileno(), f"{signature()}\n".encode())
        except OSError as error:
            raise UserError(
                f"{path}: cannot be written: {error.strerror}; see to the disk and run the same command again"
            ) from error
        yield


def signature() -> str:
    """How this process names itself: 'process 4711 on node3 since 2026-01-02T03:04:05+00:00'."""
    return f"process {os.getpid()} on {socket.gethostname()} since {datetime.now(UTC).isoformat(timespec='seconds')}"


def holder(path: Path) -> str | None:
    """Who holds the lock file `path`, in its own words; None if nobody does, or nobody can know."""
    try:
        with path.open() as stream:
            return None if _free(stream, path, fcntl.LOCK_SH) else stream.read().strip() or "unknown"
    except (OSError, UserError):
        return None


def _take(stream: IO[str], path: Path) -> None:
    give_up = time.monotonic() + PATIENCE_SECONDS
    waiting = False
    while not _free(stream, path, fcntl.LOCK_EX):
        stream.seek(0)
        other = stream.read().strip() or "unknown"
        if time.monotonic() > give_up:
            raise UserError(
                f"{path.parent}: another trainer ({other}) is at work on this run; "
                "wait for it or stop it, then run the same command again"
            )
        if not waiting and PATIENCE_SECONDS:
            print(f"{path.parent}: waiting for {other} to let go", file=sys.stderr, flush=True)
            waiting = True
        time.sleep(min(0.2, PATIENCE_SECONDS))


def _free(stream: IO[str], path: Path, kind: int) -> bool:
    """Take the lock if nobody else has it; say whether that went well."""
    try:
        fcntl.flock(stream, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise UserError(
                f"{path}: this file system has no locks ({error.strerror}); "
                "put `results` on one that has, or two trainers could overwrite each other"
            ) from error
        return False
    return True
