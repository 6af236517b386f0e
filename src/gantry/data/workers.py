"""Chunks of images through decode, crop and resize: here, or in processes beside this one."""

import hashlib
import multiprocessing
import os
import signal
import tempfile
import threading
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from gantry.data.items import BadImage, Item, Reader
from gantry.data.pairs import Pairing
from gantry.data.pixels import Squares
from gantry.data.rows import Rows
from gantry.errors import UserError
from gantry.system.temporary import short_folder

# Images that are decoded before any is resized, and written together.
BATCH = 32


@dataclass(frozen=True)
class Work:
    """What a worker needs to know, once."""

    reader: Reader
    encoded: bool
    rows: Rows
    side: int
    crop: str
    pairing: Pairing | None = None
    inputs: Rows | None = None

    def __call__(self, first: int, items: list[Item]) -> "Done":
        """Write `items` as the rows from `first` on; a bad image leaves its row black."""
        done = Done()
        digest = hashlib.sha256()
        for start in range(0, len(items), BATCH):
            batch = items[start : start + BATCH]
            squares, inputs = self.squares(len(batch), self.side), self._inputs(len(batch))
            for i, item in enumerate(batch):
                try:
                    content = self._read(item.content, digest, item.name)
                    if self.pairing is None or inputs is None:
                        squares.add(i, content)
                    else:
                        read = partial(self._read, digest=digest)
                        self.pairing.add(i, item, content, read, squares, inputs)
                except BadImage as error:
                    done.bad[start + i] = str(error)
            squares.finish()
            self.rows.write(first + start, squares.pixels)
            done.conversions.update(squares.conversions)
            if self.pairing is not None and self.inputs is not None and inputs is not None:
                self.inputs.write(first + start, self.pairing.finish(squares.pixels, inputs, first + start))
                done.conversions.update(inputs.conversions)
        return replace(done, digest=digest.digest())

    def _read(self, content: Any, digest: "hashlib._Hash", name: str = "") -> Any:
        """What the reader says, which goes into the digest with its name."""
        found = self.reader(content)
        digest.update(name.encode("utf-8", "surrogateescape"))
        digest.update(found if isinstance(found, bytes) else found.data)
        return found

    def _inputs(self, count: int) -> Squares | None:
        """What makes squares of the inputs, if there are any."""
        return None if self.pairing is None else self.squares(count, self.pairing.side(self.side))

    def squares(self, count: int, side: int) -> Squares:
        """What makes squares of `count` images."""
        if not self.encoded:
            return Squares(count, side, self.crop)
        # Imports torch, which takes seconds that the embedded sets need not wait.
        from gantry.data.encoded import EncodedSquares

        return EncodedSquares(count, side, self.crop)


@dataclass(frozen=True)
class Done:
    """A chunk that is written: which of its images were bad and why, the SHA-256 of what was read, and how many
    images went through which conversion."""

    bad: dict[int, str] = field(default_factory=dict)
    digest: bytes = b""
    conversions: Counter[str] = field(default_factory=Counter)


Chunk = tuple[int, list[Item]]


def in_order(work: Work, chunks: Iterator[Chunk], workers: int) -> Iterator[tuple[Chunk, Done]]:
    """Work through the chunks with `workers` processes; what is done comes in the order of the chunks."""
    if workers == 1:
        for chunk in chunks:
            yield chunk, work(*chunk)
        return
    tempfile.tempdir = str(short_folder())  # where multiprocessing puts its sockets
    context = multiprocessing.get_context("forkserver")
    # Imported once and forked from there, so that the workers share the memory of what they import.
    context.set_forkserver_preload(["gantry.data.encoded" if work.encoded else __name__])
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(work,))
    try:
        waiting: deque[tuple[Chunk, Future[Done]]] = deque()
        for chunk in chunks:
            waiting.append((chunk, pool.submit(_work_on, *chunk)))
            if len(waiting) > 3 * workers:
                yield _finished(waiting)
        while waiting:
            yield _finished(waiting)
    except BrokenProcessPool as error:
        raise UserError(
            f"{work.rows.path}: one of the {workers} processes that prepare it was killed, perhaps for want "
            "of memory; run the same command again (with fewer cores): it goes on from where it stopped"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _finished(waiting: deque[tuple[Chunk, Future[Done]]]) -> tuple[Chunk, Done]:
    chunk, future = waiting.popleft()
    return chunk, future.result()


_work: Work | None = None


def _start(work: Work) -> None:
    """Set a worker up: it leaves Ctrl-C to the main process and ends when that one does."""
    global _work
    _work = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work_on(first: int, items: list[Item]) -> Done:
    assert _work is not None
    return _work(first, items)
