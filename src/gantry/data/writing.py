"""Writes the images of a source, once and in order, so that a killed preparation goes on where it was.

The array grows in a folder beside the prepared set (`.NAME.partial`), because a workflow may delete the
outputs of a killed job. `progress.json` there says how far the array is good; it is replaced atomically,
after the array's bytes are on the disk.
"""

import hashlib
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from gantry.data.items import Indices, Item, Label, Labels
from gantry.data.pairs import pairing
from gantry.data.rows import Rows
from gantry.data.sources.base import ImageSource
from gantry.data.workers import Chunk, Done, Work, in_order
from gantry.errors import UserError
from gantry.files import digest_of, read_json, write_json
from gantry.progress import ProgressBar
from gantry.system.disk import writes_to
from gantry.system.lock import open_locked

# Images in a chunk. The source's digest is chained over chunks, so another number gives other digests.
CHUNK = 128
SAVE_EVERY_SECONDS = 5.0
# In a set with this many bad images something else is wrong; looking for more of them wastes hours.
OFFENDERS = 100


@dataclass
class Progress:
    """How far the array is good, in images of the source and in rows; what it takes to go on from there."""

    plan: str
    done: int = 0
    kept: int = 0
    listing: str = ""
    source: str = ""
    skipped: list[dict[str, Any]] = field(default_factory=list)
    conversions: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Written:
    """The arrays that stand in the partial folder, and what the manifest says of them.

    labels: (N,) int64 classes, (N, A) uint8 attributes, or (N, V) float32; None unless each image has one.
    """

    path: Path
    count: int
    digest: str
    source_digest: str
    skipped: list[dict[str, Any]]
    labels: Labels | None
    conversions: dict[str, int] = field(default_factory=dict)
    inputs: "WrittenInputs | None" = None


@dataclass(frozen=True)
class WrittenInputs:
    """The inputs of pairs, row by row those of the images."""

    path: Path
    shape: tuple[int, ...]
    digest: str


class Writer:
    """Prepares the images `chosen` of one source into `folder`/images.npy."""

    def __init__(self, source: ImageSource, chosen: Indices, side: int, folder: Path, workers: int) -> None:
        self.source, self.chosen, self.side, self.workers = source, chosen, side, workers
        self.rows = Rows(folder / "images.npy", (side, side, 3))
        spec = source.spec.inputs
        self.pairing = None if spec is None else pairing(spec)
        self.inputs = None
        if self.pairing is not None:
            own = self.pairing.side(side)
            self.inputs = Rows(folder / "inputs.npy", (own, own, 3))
        self._file = folder / "progress.json"
        plan = [source.spec.identity(side), digest_of_indices(chosen), CHUNK]
        self._fresh = Progress(plan=digest_of(plan))
        self._labels: dict[int, Label] = {}

    def write(self) -> Written:
        """Write what is not yet written. UserError names the bad images, unless they are to be skipped."""
        progress, items = self._where_it_stopped()
        parts = [rows for rows in (self.rows, self.inputs) if rows is not None]
        if not progress.done:
            for rows in parts:
                rows.begin(len(self.chosen))
        digests = [rows.hash_prefix(progress.kept) for rows in parts]
        source = self.source
        crop = source.spec.crop
        work = Work(source.reader(), source.encoded, self.rows, self.side, crop, self.pairing, self.inputs)
        line = ProgressBar(f"prepare {self.rows.path.parent.name}", len(self.chosen), "images", progress.done)
        saved = time.monotonic()
        for (first, chunk), done in in_order(work, self._chunks(items, progress.done), self.workers):
            self._account(progress, first, chunk, done)
            for rows, digest in zip(parts, digests, strict=True):
                digest.update(self._settle(rows, progress.kept, first, len(chunk), done))
            progress.kept += len(chunk) - len(done.bad)
            line.advance(len(chunk))
            if time.monotonic() - saved > SAVE_EVERY_SECONDS and not self._must_stop(progress):
                for rows in parts:
                    rows.flush()
                write_json(self._file, asdict(progress))
                saved = time.monotonic()
        line.close()
        self._check(progress)
        for rows in parts:
            rows.finish(progress.kept)
        found = [digest.hexdigest() for digest in digests]
        inputs = None
        if self.inputs is not None:
            inputs = WrittenInputs(self.inputs.path, self.inputs.shape, found[1])
        return Written(
            self.rows.path,
            progress.kept,
            found[0],
            progress.source,
            progress.skipped,
            as_labels([self._labels[row] for row in sorted(self._labels)], progress.kept),
            dict(sorted(progress.conversions.items())),
            inputs,
        )

    def _where_it_stopped(self) -> tuple[Progress, Iterator[Item]]:
        """The saved progress and the items still to do; a fresh start if the source has changed."""
        items = self.source.items(self.chosen)
        needed = [self._file, *(rows.path for rows in (self.rows, self.inputs) if rows is not None)]
        if not all(path.exists() for path in needed):
            return self._fresh, items
        progress = Progress(**read_json(self._file, "progress of a preparation"))
        if progress.plan == self._fresh.plan:
            replayed = Progress(progress.plan)
            bad = {entry["row"] for entry in progress.skipped}
            for first, chunk in self._chunks(islice(items, progress.done), 0):
                wrong = {i: "" for i in range(len(chunk)) if first + i in bad}
                self._account(replayed, first, chunk, Done(wrong, b""))
            if replayed.listing == progress.listing:
                return progress, items
        self._labels.clear()
        return self._fresh, self.source.items(self.chosen)

    def _chunks(self, items: Iterator[Item], first: int) -> Iterator[Chunk]:
        while chunk := list(islice(items, CHUNK)):
            yield first, chunk
            first += len(chunk)

    def _account(self, progress: Progress, first: int, chunk: list[Item], done: Done) -> None:
        """Enter a chunk into the books: names, digests, labels, bad images."""
        listing = hashlib.sha256(progress.listing.encode())
        for i, item in enumerate(chunk):
            listing.update(f"{item.name}\0".encode("utf-8", "surrogateescape"))
            pixels = isinstance(item.content, np.ndarray)
            listing.update(item.content.tobytes() if pixels else repr(item.content).encode())
            if item.input is not None:
                listing.update(repr(item.input).encode())
            if i in done.bad:
                progress.skipped.append({"file": shown(item.name), "reason": done.bad[i], "row": first + i})
            elif item.label is not None:
                self._labels[first + i] = item.label
        progress.conversions = dict(Counter(progress.conversions) + done.conversions)
        progress.listing = listing.hexdigest()
        progress.source = hashlib.sha256(progress.source.encode() + done.digest).hexdigest()
        progress.done = first + len(chunk)

    def _settle(self, rows: Rows, kept: int, first: int, count: int, done: Done) -> bytes:
        """Close the gaps that bad images left before and inside a chunk of `rows`; return the bytes kept of it."""
        content = rows.read(first, count)
        if kept == first and not done.bad:
            return content
        read = np.frombuffer(content, np.uint8).reshape(count, -1)
        good = read[[i for i in range(count) if i not in done.bad]].tobytes()
        rows.write_bytes(kept, good)
        return good

    def _must_stop(self, progress: Progress) -> bool:
        """Whether bad images forbid the set; gives up early when they are too many to be worth listing."""
        stop = bool(progress.skipped) and self.source.spec.on_bad_image == "stop"
        if stop and len(progress.skipped) >= OFFENDERS:
            self._check(progress)
        return stop

    def _check(self, progress: Progress) -> None:
        place = f"{self.source.path}: " if self.source.path else ""
        where, bad = f"{place}data set {self.source.name}", progress.skipped
        if progress.done and not progress.kept:
            raise UserError(f"{where}: none of its {progress.done:,} images can be read:\n{_listed(bad)}")
        if bad and self.source.spec.on_bad_image == "stop":
            raise UserError(
                f"{where}: {len(bad):,} of its {progress.done:,} images looked at cannot be read: "
                f"replace them, or leave them out with `on_bad_image: skip`\n{_listed(bad)}"
            )


def _listed(bad: list[dict[str, Any]], shown: int = 20) -> str:
    lines = [f"  {entry['file']}: {entry['reason']}" for entry in bad[:shown]]
    return "\n".join(lines + [f"  and {len(bad) - shown:,} more"] * (len(bad) > shown))


def shown(name: str) -> str:
    """A name for manifests and messages: bytes that are no UTF-8 as \\x.., so that it can be written anywhere."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def as_labels(labels: list[Label], count: int) -> Labels | None:
    """Labels of `count` rows as one array; None unless each row has one."""
    if len(labels) != count or not labels:
        return None
    if isinstance(labels[0], np.ndarray):
        return np.array(labels, np.float32)
    if isinstance(labels[0], tuple):
        return np.array(labels, np.uint8)
    return np.array(labels, np.int64)


def digest_of_indices(chosen: Indices) -> str:
    """The SHA-256 of the positions drawn, as little-endian int64."""
    return hashlib.sha256(np.ascontiguousarray(chosen, dtype="<i8").tobytes()).hexdigest()


@contextmanager
def partial_folder(out: Path) -> Iterator[Path]:
    """The folder beside `out` in which its array grows, locked; removed at the end if all went well."""
    folder = out.parent / f".{out.name}.partial"
    with writes_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = open_locked(folder / "lock")
    if lock is None:
        raise UserError(f"{out}: another process is preparing this set; wait for it or end it")
    with lock:
        yield folder
        shutil.rmtree(folder)
