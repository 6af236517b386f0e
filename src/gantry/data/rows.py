"""A .npy file under construction: every row at its place from the start, whoever writes it."""

import hashlib
import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gantry.system.disk import require_space, writes_to
from gantry.system.download import GOES_ON

BLOCK = 1 << 22


@dataclass(frozen=True)
class Rows:
    """Rows of uint8 pixels in the body of the .npy file at `path`; small, so that workers can have it."""

    path: Path
    shape: tuple[int, ...]

    @property
    def row_bytes(self) -> int:
        """The size of one row."""
        return int(np.prod(self.shape))

    def offset(self, row: int) -> int:
        """Where in the file `row` begins. The header's length does not depend on the number of rows."""
        return len(self._header(0)) + row * self.row_bytes

    def write(self, row: int, pixels: np.ndarray) -> None:
        """Write consecutive rows, beginning with `row`."""
        self.write_bytes(row, np.ascontiguousarray(pixels).data.cast("B"))

    def write_bytes(self, row: int, content: bytes | memoryview) -> None:
        """Write the bytes of consecutive rows, beginning with `row`."""
        left = memoryview(content)
        with writes_to(self.path, GOES_ON), self.path.open("r+b") as stream:
            place = self.offset(row)
            while left:
                written = os.pwrite(stream.fileno(), left, place)
                left, place = left[written:], place + written

    def read(self, row: int, count: int) -> bytes:
        """The bytes of `count` consecutive rows, beginning with `row`."""
        with self.path.open("rb") as stream:
            stream.seek(self.offset(row))
            return stream.read(count * self.row_bytes)

    def begin(self, count: int) -> None:
        """Create the file for up to `count` rows, after asking whether they fit on the disk."""
        require_space(self.path.parent, self.offset(count), "the prepared set")
        with writes_to(self.path, GOES_ON), self.path.open("wb") as stream:
            stream.write(self._header(count))

    def finish(self, count: int) -> None:
        """Write into the header that there are `count` rows, cut off the rest, flush all to the disk."""
        with writes_to(self.path, GOES_ON), self.path.open("r+b") as stream:
            stream.write(self._header(count))
            stream.truncate(self.offset(count))
            stream.flush()
            os.fsync(stream.fileno())

    def flush(self) -> None:
        """Make what is written durable."""
        with writes_to(self.path, GOES_ON), self.path.open("rb") as stream:
            os.fsync(stream.fileno())

    def hash_prefix(self, count: int) -> "hashlib._Hash":
        """The running SHA-256 of the first `count` rows."""
        digest, left = hashlib.sha256(), count * self.row_bytes
        with self.path.open("rb") as stream:
            stream.seek(self.offset(0))
            while left and (block := stream.read(min(BLOCK, left))):
                digest.update(block)
                left -= len(block)
        return digest

    def _header(self, count: int) -> bytes:
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "|u1", "fortran_order": False, "shape": (count, *self.shape)}
        )
        return header.getvalue()
