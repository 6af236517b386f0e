"""Zip and tar archives: members read in place, or unpacked under names that we choose, never the archive's."""

import struct
import tarfile
import zipfile
import zlib
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from gantry.data.progress import ProgressLine
from gantry.data.sources.base import BadImage
from gantry.errors import UserError
from gantry.files import writing
from gantry.system.disk import require_space

BLOCK = 1 << 20
LOCAL_HEADER = struct.Struct("<4s22xHH")
# What the standard library raises at archives that are cut off or overwritten.
DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, NotImplementedError)


class Member(NamedTuple):
    """Where one file lies inside a zip, and how to check it."""

    offset: int
    stored: int
    method: int
    checksum: int


@dataclass(frozen=True)
class ZipReader:
    """Reads members of a zip without unpacking it and without each process listing it again."""

    path: Path

    def __call__(self, content: Member) -> bytes:
        stream = _opened(self.path)
        stream.seek(content.offset)
        header = stream.read(LOCAL_HEADER.size)
        if len(header) < LOCAL_HEADER.size:
            raise BadImage("lies beyond the end of the archive")
        signature, name, extra = LOCAL_HEADER.unpack(header)
        if signature != b"PK\x03\x04":
            raise BadImage("the archive has no such member where its directory says")
        stream.seek(name + extra, 1)
        body = stream.read(content.stored)
        try:
            whole = zlib.decompress(body, -15) if content.method == zipfile.ZIP_DEFLATED else body
        except zlib.error as error:
            raise BadImage(f"cannot be unpacked: {error}") from error
        if zlib.crc32(whole) != content.checksum:
            raise BadImage("its checksum in the archive is wrong")
        return whole


@lru_cache(maxsize=4)
def _opened(path: Path) -> IO[bytes]:
    """One open file for each process: reopening would cost as much as reading."""
    return path.open("rb")


def list_zip(path: Path, named: str) -> list[tuple[str, Member]]:
    """The files in a zip, in the archive's order; UserError if it is cut off, encrypted or lists one twice."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    except DAMAGE as error:
        raise UserError(
            f"{path}: data set {named}: not a whole zip archive ({error}); get it again: the download broke off"
        ) from error
    names = {entry.filename for entry in entries}
    if len(names) < len(entries):
        raise UserError(
            f"{path}: data set {named}: {len(entries) - len(names)} of its files are listed twice; get it again"
        )
    for entry in entries:
        if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UserError(
                f"{path}: data set {named}: {entry.filename} is encrypted or packed by a method that is not "
                "read in place; unpack the archive and remove it"
            )
    return [
        (entry.filename, Member(entry.header_offset, entry.compress_size, entry.compress_type, entry.CRC))
        for entry in entries
    ]


@contextmanager
def damage_of(path: Path, named: str) -> Iterator[None]:
    """Turn what is raised at a damaged archive into a UserError that names it."""
    try:
        yield
    except DAMAGE as error:
        raise UserError(
            f"{path}: data set {named}: damaged or cut off ({error}); delete it and get it again"
        ) from error


def read_tar(path: Path, wanted: tuple[str, ...], limit: int, named: str) -> dict[str, bytes]:
    """The members with the base names `wanted`, in memory; UserError unless each is there exactly once."""
    found: dict[str, bytes] = {}
    with damage_of(path, named), tarfile.open(path) as archive:
        for member in archive:
            name = PurePosixPath(member.name).name
            if name not in wanted or not member.isfile():
                continue
            if name in found or member.size > limit:
                wrong = "is there twice" if name in found else f"is too large ({member.size:,} bytes)"
                raise UserError(f"{path}: data set {named}: {member.name} {wrong}; get the archive again")
            stream = archive.extractfile(member)
            assert stream is not None  # a regular file
            found[name] = stream.read()
    require_all(found, wanted, path, named)
    return found


def require_all(found: Container[str], wanted: tuple[str, ...], path: Path, named: str) -> None:
    """UserError that lists what of `wanted` is missing."""
    missing = [name for name in wanted if name not in found]
    if missing:
        raise UserError(f"{path}: data set {named}: {', '.join(missing)} missing; get the distribution again")


def unpack(path: Path, wanted: tuple[str, ...], folder: Path, named: str) -> None:
    """Write the members with the base names `wanted` into `folder`, each whole or not at all.

    Nothing else is written, whatever the names inside the archive say.
    """
    with damage_of(path, named):
        members = _zip_members(path) if zipfile.is_zipfile(path) else _tar_members(path)
        done = set()
        for name, size, stream in members:
            if name not in wanted:
                continue
            require_space(folder, size, f"unpacking {path.name}")
            line = ProgressLine(f"unpacking {path.name}: {name}", size, "bytes")
            with writing(folder / name) as target:
                for block in _blocks(stream, path, named):
                    target.write(block)
                    line.advance(len(block))
            line.close()
            done.add(name)
    require_all(done, wanted, path, named)


def _blocks(stream: IO[bytes], path: Path, named: str) -> Iterator[bytes]:
    # Here, so that errors of reading are not taken for errors of writing.
    with damage_of(path, named):
        while block := stream.read(BLOCK):
            yield block


def _zip_members(path: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if not entry.is_dir():
                with archive.open(entry) as stream:
                    yield PurePosixPath(entry.filename).name, entry.file_size, stream


def _tar_members(path: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    with tarfile.open(path) as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.isfile() else None
            if stream is not None:
                yield PurePosixPath(member.name).name, member.size, stream
