"""Where the samples of a prepared set lie during training, and how a batch of rows gets to the device.

device: all of them on the device; a batch is one gather there.
memory: in the host's memory; a thread gathers ahead, and a side stream copies while the device computes.
mapped: on the disk, memory-mapped; the same thread, which then also waits for the disk.
"""

import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gantry.data.order import Cursor, Order

# Batches that the thread works ahead.
AHEAD = 3
# Samples that are moved to the device at once.
BLOCK = 4096


class Rows(NamedTuple):
    """A batch as stored, on the device, with the mirror mask, and the cursor after it."""

    samples: Tensor
    mirrored: Tensor | None
    cursor: Cursor


class Residence(ABC):
    """Hands out batches of stored rows, in `order`."""

    @abstractmethod
    def next(self) -> Rows:
        """The next batch of rows, on the device."""

    @abstractmethod
    def go_to(self, cursor: Cursor) -> None:
        """Go on from `cursor`, forgetting what was gathered ahead."""

    @abstractmethod
    def close(self) -> None:
        """End what runs beside, if anything does."""


class OnDevice(Residence):
    """All samples on the device: nothing to wait for, no host synchronisation."""

    def __init__(self, samples: np.ndarray, order: Order, batch_size: int) -> None:
        self.order, self.batch_size = order, batch_size
        # Block by block: a set may fill half of a GPU's memory and more than the host has free.
        first = torch.from_numpy(np.array(samples[:BLOCK]))
        self.samples = first.new_empty(samples.shape, device=order.device)
        for start in range(0, len(samples), BLOCK):
            self.samples[start : start + BLOCK] = torch.from_numpy(np.array(samples[start : start + BLOCK]))

    def next(self) -> Rows:
        rows, mirrored = self.order.take(self.batch_size)
        return Rows(self.samples.index_select(0, rows), mirrored, self.order.cursor)

    def go_to(self, cursor: Cursor) -> None:
        self.order.go_to(cursor)

    def close(self) -> None:
        """Nothing runs beside."""


class Prefetched(Residence):
    """Samples on the host; one thread gathers `AHEAD` batches and sends them ahead on a side stream."""

    def __init__(self, samples: np.ndarray, device: torch.device, order: Order, batch_size: int) -> None:
        self.samples, self.device, self.order, self.batch_size = samples, device, order, batch_size
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gantry-batches")
        self._ready: deque[Future[tuple[Rows, torch.cuda.Event | None]]] = deque()
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._slots = [self._slot() for _ in range(AHEAD + 1)]
        self._turn = 0
        self._fill()

    def next(self) -> Rows:
        rows, sent = self._ready.popleft().result()
        self._fill()
        if sent is not None:
            current = torch.cuda.current_stream(self.device)
            current.wait_event(sent)
            # Tell the allocator that this stream uses the memory, which the side stream allocated.
            rows.samples.record_stream(current)
            if rows.mirrored is not None:
                rows.mirrored.record_stream(current)
        return rows

    def go_to(self, cursor: Cursor) -> None:
        while self._ready:
            self._ready.popleft().result()
        self.order.go_to(cursor)
        self._fill()

    def close(self) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._ready.clear()

    def _fill(self) -> None:
        while len(self._ready) < AHEAD:
            rows, mirrored = self.order.take(self.batch_size)
            slot = self._slots[self._turn]
            self._turn = (self._turn + 1) % len(self._slots)
            self._ready.append(self._thread.submit(slot, rows, mirrored, self.order.cursor))

    def _slot(self) -> Callable[[Tensor, Tensor | None, Cursor], tuple[Rows, torch.cuda.Event | None]]:
        """A function that gathers one batch, through its own pinned buffer where the device is a GPU."""
        if self._stream is None:
            return lambda rows, mirrored, cursor: (Rows(self._gathered(rows), mirrored, cursor), None)
        stream, event = self._stream, torch.cuda.Event()
        shape = (self.batch_size, *self.samples.shape[1:])
        kind = torch.from_numpy(self.samples[:1].copy()).dtype
        buffer = torch.empty(shape, dtype=kind, pin_memory=True)

        def send(
            rows: Tensor, mirrored: Tensor | None, cursor: Cursor
        ) -> tuple[Rows, torch.cuda.Event | None]:
            event.synchronize()  # the buffer's last copy has left; only this thread waits
            self._gathered(rows, buffer)
            with torch.cuda.stream(stream):
                samples = buffer.to(self.device, non_blocking=True)
                mask = None if mirrored is None else mirrored.pin_memory().to(self.device, non_blocking=True)
                event.record(stream)
            return Rows(samples, mask, cursor), event

        return send

    def _gathered(self, rows: Tensor, into: Tensor | None = None) -> Tensor:
        """The samples of `rows`, read in ascending order, as disks like it best."""
        ascending, places = rows.sort()
        gathered = torch.from_numpy(self.samples[ascending.numpy()])
        result = torch.empty_like(gathered) if into is None else into
        return result.index_copy_(0, places, gathered)


def on_device(samples: np.ndarray, device: torch.device, order: Order, batch_size: int) -> Residence:
    """All samples on the device."""
    return OnDevice(samples, order, batch_size)


def in_memory(samples: np.ndarray, device: torch.device, order: Order, batch_size: int) -> Residence:
    """All samples in the host's memory."""
    return Prefetched(np.array(samples), device, order, batch_size)


def mapped(samples: np.ndarray, device: torch.device, order: Order, batch_size: int) -> Residence:
    """Samples where they are, in the memory-mapped file."""
    return Prefetched(samples, device, order, batch_size)


RESIDENCES: dict[str, Callable[[np.ndarray, torch.device, Order, int], Residence]] = {
    "device": on_device,
    "memory": in_memory,
    "mapped": mapped,
}


def fitting(size: int, device: torch.device, runs_per_gpu: int = 1) -> str:
    """The quickest residence for `size` bytes that leaves half of the device's or host's memory free.

    Of a GPU that `runs_per_gpu` runs share, half of a share.
    """
    if device.type == "cuda":
        free, whole = torch.cuda.mem_get_info(device)
        if size <= min(free, whole // runs_per_gpu) // 2:
            return "device"
        return "memory" if size <= free_host_memory() // 2 else "mapped"
    # On the CPU several runs train side by side; mapped pages are shared between them, copies are not.
    return "device" if size <= free_host_memory() // 16 else "mapped"


def free_host_memory() -> int:
    """Bytes of physical memory that are free, as far as the system says."""
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
