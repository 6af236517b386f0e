"""One trainer a run: a lock that the operating system frees when its holder dies, however it dies."""

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gantry.errors import UserError


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Hold the lock file `path`; raises UserError if another process holds it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a+")
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written: {error.strerror}; choose another `results` folder"
        ) from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise UserError(
                    f"{path}: this file system has no locks ({error.strerror}); "
                    "put `results` on one that has, or two trainers could overwrite each other"
                ) from error
            stream.seek(0)
            holder = stream.read().strip() or "unknown"
            raise UserError(
                f"{path.parent}: another trainer ({holder}) is at work on this run; "
                "wait for it or stop it, then run the same command again"
            ) from None
        try:
            os.truncate(stream.fileno(), 0)
            os.write(stream.fileno(), f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        except OSError as error:
            raise UserError(
                f"{path}: cannot be written: {error.strerror}; see to the disk and run the same command again"
            ) from error
        yield
