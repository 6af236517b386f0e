"""Zip and tar archives: members read in place, or unpacked under names that we choose, never the archive's."""

import bz2
import gzip
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple, cast

from gantry.data.items import BadImage
from gantry.errors import UserError
from gantry.files import writing
from gantry.progress import ProgressBar
from gantry.system.disk import require_space

BLOCK = 1 << 20
# No image file is larger; what unpacks to more is a bomb.
LARGEST_IMAGE = 1 << 28
# The most that one read of an archive may ask for: a member in memory, or a header that lies about its length.
LARGEST_READ = 1 << 27
LOCAL_HEADER = struct.Struct("<4s22xHH")
# What the standard library raises at archives that are cut off, overwritten, or nested without end.
DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    struct.error,
    NotImplementedError,
    RecursionError,
    MemoryError,
    OverflowError,
)
FRESH = "compare it with what the distributor states; if a download broke off, a fresh copy helps"
COMPRESSIONS: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}


class Member(NamedTuple):
    """Where one file lies inside a zip, and how to check it."""

    offset: int
    stored: int
    method: int
    checksum: int
    size: int


@dataclass(frozen=True)
class ZipReader:
    """Reads members of a zip without unpacking it and without each process listing it again."""

    path: Path

    def __call__(self, content: Member) -> bytes:
        if content.size > LARGEST_IMAGE:
            raise BadImage(
                f"{content.size:,} bytes when unpacked, more than the {LARGEST_IMAGE:,} of any picture"
            )
        stream = _opened(self.path)
        stream.seek(content.offset)
        header = stream.read(LOCAL_HEADER.size)
        if len(header) < LOCAL_HEADER.size:
            raise BadImage("lies beyond the end of the archive")
        signature, name, extra = LOCAL_HEADER.unpack(header)
        if signature != b"PK\x03\x04":
            raise BadImage("the archive has no such member where its directory says")
        stream.seek(name + extra, 1)
        whole = self._unpacked(stream.read(min(content.stored, LARGEST_IMAGE)), content)
        if len(whole) != content.size:
            raise BadImage(
                f"unpacks to another length than the {content.size:,} bytes of the archive's directory"
            )
        if zlib.crc32(whole) != content.checksum:
            raise BadImage("its checksum in the archive is wrong")
        return whole

    def _unpacked(self, body: bytes, content: Member) -> bytes:
        """The member's bytes; of a bomb one more than the directory says, and not a byte beyond."""
        if content.method != zipfile.ZIP_DEFLATED:
            return body
        try:
            return zlib.decompressobj(-15).decompress(body, content.size + 1)
        except zlib.error as error:
            raise BadImage(f"cannot be unpacked: {error}") from error


@lru_cache(maxsize=4)
def _opened(path: Path) -> IO[bytes]:
    """One open file for each process: reopening would cost as much as reading."""
    return path.open("rb")


def plain_name(name: str) -> str:
    """A member's name with slashes, where its packer wrote backslashes."""
    return name.replace("\\", "/")


def list_zip(path: Path, where: str) -> list[tuple[str, Member]]:
    """The files in a zip, in the archive's order; UserError if it is cut off or lists one twice.

    A member that is encrypted, or packed by a method that is not read in place, has method −1.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not plain_name(entry.filename).endswith("/")]
    except DAMAGE as error:
        raise UserError(f"{where}: not a whole zip archive ({error}); {FRESH}") from error
    names = {plain_name(entry.filename) for entry in entries}
    if len(names) < len(entries):
        raise UserError(
            f"{where}: {len(entries) - len(names)} of its files are listed twice, and nobody can say which are "
            f"meant; {FRESH}"
        )
    readable = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    return [
        (
            plain_name(entry.filename),
            Member(
                entry.header_offset,
                entry.compress_size,
                -1 if entry.flag_bits & 1 or entry.compress_type not in readable else entry.compress_type,
                entry.CRC,
                entry.file_size,
            ),
        )
        for entry in entries
    ]


@contextmanager
def damage_of(path: Path, named: str) -> Iterator[None]:
    """Turn what is raised at a damaged archive into a UserError that names it."""
    try:
        yield
    except DAMAGE as error:
        said = str(error) or type(error).__name__
        raise UserError(f"{path}: data set {named}: damaged or cut off ({said}); {FRESH}") from error


class _Bounded:
    """A stream of which nobody reads more at once than an honest archive needs."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= LARGEST_READ:
            raise tarfile.ReadError(f"a header that is {size:,} bytes long")
        return self._stream.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def _tar(path: Path) -> Iterator[tarfile.TarFile]:
    """A tar archive, packed or not, that is read in bounded pieces."""
    with path.open("rb") as stream:
        start = stream.read(8)
    opener = next((opener for magic, opener in COMPRESSIONS.items() if start.startswith(magic)), open)
    with (
        opener(path, "rb") as unpacked,
        tarfile.open(fileobj=cast(IO[bytes], _Bounded(unpacked)), mode="r:") as archive,
    ):
        yield archive


def read_tar(path: Path, wanted: tuple[str, ...], limit: int, named: str) -> dict[str, bytes]:
    """The members with the base names `wanted`, in memory; UserError unless each is there exactly once."""
    found: dict[str, bytes] = {}
    with damage_of(path, named), _tar(path) as archive:
        for member in archive:
            name = PurePosixPath(plain_name(member.name)).name
            if name not in wanted or not member.isfile():
                continue
            if name in found or member.size > limit:
                wrong = (
                    "is there twice" if name in found else f"has {member.size:,} bytes, at most {limit:,} fit"
                )
                raise UserError(f"{path}: data set {named}: {member.name} {wrong}; {FRESH}")
            stream = archive.extractfile(member)
            assert stream is not None  # a regular file
            found[name] = stream.read()
    require_all(found, wanted, path, named)
    return found


def require_all(found: Container[str], wanted: tuple[str, ...], path: Path, named: str) -> None:
    """UserError that lists what of `wanted` is missing."""
    missing = [name for name in wanted if name not in found]
    if missing:
        raise UserError(f"{path}: data set {named}: {', '.join(missing)} missing; {FRESH}")


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
            line = ProgressBar(f"unpacking {path.name}: {name}", size, "bytes")
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
            name = plain_name(entry.filename)
            if not name.endswith("/"):
                with archive.open(entry) as stream:
                    yield PurePosixPath(name).name, entry.file_size, stream


def _tar_members(path: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    with _tar(path) as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.isfile() else None
            if stream is not None:
                yield PurePosixPath(plain_name(member.name)).name, member.size, stream
