"""Which files of a folder or a zip are pictures: the one listing, for preparation, scoring and everything else.

Every file is either listed or counted under the reason why it is left out.
"""

import os
import stat
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from gantry.data.archives import ZipReader, list_zip
from gantry.data.items import BadImage, Reader
from gantry.errors import UserError

# What the decoders read, however it is written: JPEG has five names.
SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".png", ".apng", ".webp", ".avif", ".gif", ".bmp", ".dib"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".tif", ".tiff", ".jp2", ".j2k", ".jpx", ".qoi"),
)
# Folders that operating systems and file servers add, beside those whose names begin with a dot.
ADDED = frozenset({"__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found"})
HIDDEN, NO_SUFFIX = "hidden", "without a suffix"
CIRCLES = "links to folders that are read already, or lead in a circle"
DANGLING, NO_FILES = "links that lead nowhere", "neither files nor folders"


@dataclass(frozen=True)
class Listing:
    """The pictures in a folder or a zip, sorted by name, each with its content for `reader`.

    left_out: why → how many files (of hidden folders, the folders) are not among them.
    """

    files: list[tuple[str, Any]]
    reader: Reader
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class FileReader:
    """Reads a file below `folder`."""

    folder: Path

    def __call__(self, content: tuple[str, int]) -> bytes:
        try:
            return (self.folder / content[0]).read_bytes()
        except OSError as error:
            raise BadImage(error.strerror or str(error)) from error


def list_images(place: Path, where: str) -> Listing:
    """List the pictures in a folder and below it, or in a zip; UserError, beginning with `where`, if there is none."""
    if place.suffix.lower() == ".zip" and place.is_file():
        files, left_out = _in_zip(place, where)
        reader: Reader = ZipReader(place)
    else:
        files, left_out = _in_folder(place, where)
        reader = FileReader(place)
    if not files:
        what = "archive" if place.is_file() else "folder or below it"
        others = f"; left out: {in_words(left_out)}" if left_out else ""
        raise UserError(
            f"{where}: no image in this {what} ({', '.join(SUFFIXES)}){others}; correct `path` or put the "
            "images there"
        )
    return Listing(sorted(files, key=lambda entry: entry[0]), reader, dict(sorted(left_out.items())))


def in_words(left_out: Mapping[str, int]) -> str:
    """What is left out, on one line: '3 of .txt, 1 hidden'."""
    return ", ".join(
        f"{count:,} {'of ' if why.startswith('.') else ''}{why}" for why, count in left_out.items()
    )


def _is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is somebody's own affair: ._twin.png, .ipynb_checkpoints, __MACOSX."""
    return (name.startswith(".") and name not in (".", "..")) or name.lower() in ADDED


def _kind(name: str) -> str | None:
    """Why a file of this name is left out; None for a picture."""
    suffix = PurePosixPath(name).suffix.lower()
    return None if suffix in SUFFIXES else suffix or NO_SUFFIX


def _in_folder(folder: Path, where: str) -> tuple[list[tuple[str, Any]], Counter[str]]:
    """Names relative to `folder` with sizes in bytes. Links are followed, to each folder once.

    Real folders come first, so that a picture's name does not depend on a link beside its folder.
    """
    found: list[tuple[str, Any]] = []
    left_out: Counter[str] = Counter()
    try:
        # A link back to a folder above would bring in everything that lies there.
        own = folder.resolve()
        seen = {_identity(parent) for parent in own.parents}
        pending, links = [""], list[str]()
        while pending or links:
            inside = pending.pop() if pending else links.pop(0)
            identity = _identity(folder / inside)
            if identity in seen:
                left_out[CIRCLES] += 1
                continue
            seen.add(identity)
            with os.scandir(folder / inside) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    relative = f"{inside}/{entry.name}" if inside else entry.name
                    if _is_hidden(entry.name):
                        left_out[HIDDEN] += 1
                    elif _is_folder(entry):
                        (links if entry.is_symlink() else pending).append(relative)
                    elif (why := _kind(entry.name) or _no_file(entry)) is None:
                        found.append((relative, (relative, entry.stat().st_size)))
                    else:
                        left_out[why] += 1
    except NotADirectoryError:
        raise UserError(f"{where}: a file where a folder of images was expected") from None
    except OSError as error:
        raise UserError(
            f"{where}: cannot be read: {error.strerror or error}: {error.filename or folder}"
        ) from error
    return found, left_out


def _identity(folder: Path) -> tuple[int, int]:
    found = folder.stat()
    return found.st_dev, found.st_ino


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    """Whether it is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _no_file(entry: "os.DirEntry[str]") -> str | None:
    """Why what has a picture's name has no content: a link that leads nowhere, a socket; None for a file."""
    try:
        return None if stat.S_ISREG(entry.stat().st_mode) else NO_FILES
    except OSError:
        return DANGLING


def _in_zip(place: Path, where: str) -> tuple[list[tuple[str, Any]], Counter[str]]:
    """Names in the archive with what `ZipReader` needs."""
    found: list[tuple[str, Any]] = []
    left_out: Counter[str] = Counter()
    for name, member in list_zip(place, where):
        if any(map(_is_hidden, name.split("/"))):
            left_out[HIDDEN] += 1
        elif (why := _kind(name)) is not None:
            left_out[why] += 1
        elif member.method < 0:
            raise UserError(
                f"{where}: {name} is encrypted or packed by a method that is not read in place; unpack the "
                "archive and give the folder as `path`"
            )
        else:
            found.append((name, member))
    return found, left_out
