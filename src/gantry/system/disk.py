"""What a disk refuses, in one wording: which path, why, and what frees the way."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gantry.errors import UserError

# With less than this free, a write that fails fails for want of space.
FULL_BYTES = 64 * 1024

AGAIN = "run the same command again"
_SPACE = f"free some space and {AGAIN}"
_OTHER_FOLDER = "choose another `results` folder"
_REMEDIES = {
    errno.ENOSPC: f"the disk is full: {_SPACE}",
    errno.EDQUOT: f"the quota is used up: {_SPACE}",
    errno.EROFS: f"the file system is read-only: {_OTHER_FOLDER}",
    errno.EACCES: f"no permission: {_OTHER_FOLDER} or change its owner",
    errno.EPERM: f"no permission: {_OTHER_FOLDER} or change its owner",
    errno.EEXIST: f"a file is where a folder should be: {_OTHER_FOLDER}",
    errno.ENOTDIR: f"a file is where a folder should be: {_OTHER_FOLDER}",
    errno.EFBIG: "the file system refuses a file of this size",
}


def unwritable(path: Path, error: OSError, then: str = "") -> UserError:
    """Return what to raise where `path` cannot be written; `then` says what running again will do."""
    remedy = _REMEDIES.get(error.errno or 0, f"check the folder and {AGAIN}")
    if error.errno is None and free_bytes(path.parent) < FULL_BYTES:  # NumPy, for one, keeps the number back
        remedy = _REMEDIES[errno.ENOSPC]
    after = f": {then}" if then and remedy.endswith(AGAIN) else ""
    return UserError(f"{path}: cannot be written: {error.strerror or error}; {remedy}{after}")


@contextmanager
def writes_to(path: Path, then: str = "") -> Iterator[None]:
    """Turn an OSError of writing to `path` into the UserError of `unwritable`."""
    try:
        yield
    except OSError as error:
        raise unwritable(path, error, then) from error


def free_bytes(folder: Path) -> int:
    """Return what is left on the disk of `folder`, or of the nearest folder above it that exists."""
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(existing).free


def require_space(folder: Path, needed: int, what: str) -> None:
    """Raise UserError if the disk of `folder` has not the `needed` bytes."""
    free = free_bytes(folder)
    if needed > free:
        raise UserError(
            f"{folder}: {what} needs {needed / 1e9:.1f} GB and the disk has {free / 1e9:.1f} GB left: "
            "free some space or choose another folder"
        )
