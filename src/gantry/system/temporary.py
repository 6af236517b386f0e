"""Folders for sockets and locks below the system's temporary one: private to a user, with short paths."""

import os
import stat
import tempfile
from pathlib import Path

# A socket's path may have 107 bytes on Linux and 103 elsewhere; what is put below a folder takes the rest.
LONGEST_SOCKET = 103
LONGEST_NAME = 50


def short_folder() -> Path:
    """Return the temporary folder, or /tmp or /var/tmp where its path is too long for sockets below it.

    Raises OSError if none of them can be written.
    """
    for folder in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        if len(os.fsencode(folder)) <= LONGEST_SOCKET - LONGEST_NAME and os.access(folder, os.W_OK | os.X_OK):
            return Path(folder)
    raise FileNotFoundError(
        f"{tempfile.gettempdir()}: too long a path for sockets, and /tmp cannot be written"
    )


def private_folder(name: str) -> Path:
    """Return this user's folder `name`-<uid> below the temporary one, made if need be.

    Raises PermissionError, an OSError that says what to do, if others own it or may write there: they could have put
    anything into it.
    """
    folder = short_folder() / f"{name}-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else; set TMPDIR to a folder of your own")
    if found.st_mode & 0o077:
        raise PermissionError(
            f"{folder} is open to others (mode {stat.S_IMODE(found.st_mode):03o}), who may have put something there; "
            "empty it and chmod 700 it, or set TMPDIR to a folder of your own"
        )
    return folder
