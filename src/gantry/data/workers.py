"""Chunks of images through decode, crop and resize: here, or in processes beside this one."""

import hashlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

import numpy as np

from gantry.data.pixels import square
from gantry.data.rows import Rows
from gantry.data.sources.base import BadImage, Item, Reader
from gantry.errors import UserError


@dataclass(frozen=True)
class Work:
    """What a worker needs to know, once."""

    reader: Reader
    rows: Rows
    side: int
    crop: str

    def __call__(self, first: int, items: list[Item]) -> "Done":
        """Write `items` as the rows from `first` on; a bad image leaves its row as it is."""
        squares = np.zeros((len(items), self.side, self.side, 3), np.uint8)
        bad: dict[int, str] = {}
        digest = hashlib.sha256()
        for i, item in enumerate(items):
            try:
                content = self.reader(item.content)
                digest.update(item.name.encode())
                digest.update(content if isinstance(content, bytes) else content.data)
                squares[i] = square(content, self.side, self.crop)
            except BadImage as error:
                bad[i] = str(error)
        self.rows.write(first, squares)
        return Done(bad, digest.digest())


@dataclass(frozen=True)
class Done:
    """A chunk that is written: which of its images were bad and why, and the SHA-256 of what was read."""

    bad: dict[int, str]
    digest: bytes


Chunk = tuple[int, list[Item]]


def in_order(work: Work, chunks: Iterator[Chunk], workers: int) -> Iterator[tuple[Chunk, Done]]:
    """Work through the chunks with `workers` processes; what is done comes in the order of the chunks."""
    if workers == 1:
        for chunk in chunks:
            yield chunk, work(*chunk)
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
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
