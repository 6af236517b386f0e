"""Files that are either whole or absent: atomic writes, digests, canonical JSON."""

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from gantry.errors import UserError
from gantry.system.disk import FULL_BYTES, free_bytes, writes_to
from gantry.system.lock import try_lock


def canonical_json(value: Any) -> str:
    """Return `value` as JSON with sorted keys and no spaces, so that equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest_of(value: Any) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of `value`'s canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary neighbour of `path` for writing; on success flush it to disk and rename it.

    A reader, or a run after a power cut, sees the old file or the new one, never a part of one.
    A full or read-only disk raises UserError that names `path`; the old file stays. What writers of `path` that
    were killed have left beside it goes.
    """
    with _ready_for(path):
        # Not mkstemp, whose files only their owner may read, whatever the umask grants.
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                _hold(descriptor)
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically."""
    with writing(path) as stream:
        stream.write(content)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write `value` to `path` as indented JSON with sorted keys, atomically.

    Names of files that are no UTF-8 are written as JSON's own escapes, and read back as they were.
    """
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_with(path: Path, save: Callable[[Path], None]) -> None:
    """Let a library that insists on a path write `path` atomically: `save` gets a temporary neighbour.

    The temporary name keeps the suffix of `path`, because libraries choose their format by it.
    """
    with (
        _ready_for(path),
        tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder,
        _held(Path(folder)),
    ):
        temporary = Path(folder) / path.name
        temporary.touch()
        permissions = temporary.stat().st_mode
        _save(save, temporary)
        temporary.chmod(permissions)  # which some libraries set as they like
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)


@contextmanager
def _ready_for(path: Path) -> Iterator[None]:
    """The folder of `path`, there and swept, for a temporary neighbour; afterwards what was renamed is durable.

    An OSError on the way becomes a UserError that names `path` and the remedy.
    """
    with writes_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        yield
        _sync_folder(path.parent)


def _sweep(path: Path) -> None:
    """Remove the temporary neighbours of `path` that nobody writes any more."""
    temporary = re.compile(rf"\.{re.escape(path.name)}\.[a-z0-9_]{{8}}(\.part)?")
    with os.scandir(path.parent) as entries:
        litter = [Path(entry.path) for entry in entries if temporary.fullmatch(entry.name)]
    for entry in litter:
        with contextlib.suppress(OSError), _held(entry, ours=False):
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)


@contextmanager
def _held(place: Path, *, ours: bool = True) -> Iterator[None]:
    """Hold a temporary file or folder as a living writer does; OSError if it is not ours and somebody does."""
    descriptor = os.open(place, os.O_RDONLY)
    try:
        if ours:
            _hold(descriptor)
        elif not try_lock(descriptor):
            raise BlockingIOError(errno.EWOULDBLOCK, "somebody writes it")
        yield
    finally:
        os.close(descriptor)


def _hold(descriptor: int) -> None:
    """Lock a temporary file for as long as it is open; without file locks nobody will sweep it either."""
    with contextlib.suppress(OSError):
        try_lock(descriptor)


def _save(save: Callable[[Path], None], temporary: Path) -> None:
    """Call `save`; what it raises on a full disk becomes an OSError, whatever the library makes of it."""
    try:
        save(temporary)
    except OSError:
        raise
    except Exception as error:
        if free_bytes(temporary.parent) < FULL_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise


def read_json(path: Path, what: str) -> Any:
    """Read a JSON file, or raise UserError that says what it should have been (`what`) and how it fails."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: {what} not found") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(
            f"{path}: {what} cannot be read ({error}); delete it and run the same command again"
        ) from error


def read_mapping(path: Path) -> dict[str, Any]:
    """A JSON mapping; an empty one for a file that is missing or damaged, which whoever uses it will name."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _sync_folder(folder: Path) -> None:
    """Make a rename in `folder` durable; file systems that cannot do it are left as they are."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)
