"""Where the samples of a prepared set lie during training, and how a batch of rows gets to the device.

device: all of them on the device; a batch is one gather there.
memory: in the host's memory; a thread gathers ahead, and a side stream copies while the device computes.
mapped: on the disk, memory-mapped; the same thread, which then also waits for the disk.
"""

import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import cycle
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gantry.data.order import Cursor, Order

# Batches that the thread works ahead.
AHEAD = 3
# Samples that are moved to the device at once.
BLOCK = 4096


# Arrays with a row for each sample, by name; "samples" are the samples themselves.
Arrays = Mapping[str, np.ndarray]


class Rows(NamedTuple):
    """A batch as stored, on the device, with the mirror mask, and the cursor after it."""

    arrays: dict[str, Tensor]
    mirrored: Tensor | None
    cursor: Cursor


class Storage(ABC):
    """Hands out batches of stored rows, in `order`."""

    @abstractmethod
    def next(self) -> Rows:
        """The next batch of rows, on the device."""

    @abstractmethod
    def go_to(self, cursor: Cursor) -> None:
        """Go on from `cursor`, forgetting what was gathered ahead."""

    @abstractmethod
    def resize(self, sizes: tuple[int, ...]) -> None:
        """Hand out batches of these sizes, in turn, after the next `go_to`."""

    @abstractmethod
    def close(self) -> None:
        """End what runs beside, if anything does."""


class OnDevice(Storage):
    """All samples on the device: nothing to wait for, no host synchronisation."""

    def __init__(self, arrays: Arrays, order: Order, sizes: tuple[int, ...]) -> None:
        self.order, self.sizes = order, cycle(sizes)
        self._all_sizes = sizes
        self.arrays = {name: _moved(array, order.device) for name, array in arrays.items()}

    def next(self) -> Rows:
        rows, mirrored = self.order.take(next(self.sizes))
        gathered = {name: array.index_select(0, rows) for name, array in self.arrays.items()}
        return Rows(gathered, mirrored, self.order.cursor)

    def go_to(self, cursor: Cursor) -> None:
        self.order.go_to(cursor)
        self.sizes = cycle(self._all_sizes)

    def resize(self, sizes: tuple[int, ...]) -> None:
        self._all_sizes = sizes

    def close(self) -> None:
        """Nothing runs beside."""


def _moved(array: np.ndarray, device: torch.device) -> Tensor:
    """Copy to the device block by block: a set may fill half of a GPU's memory and more than the host has free."""
    first = torch.from_numpy(np.array(array[:BLOCK]))
    moved = first.new_empty(array.shape, device=device)
    for start in range(0, len(array), BLOCK):
        moved[start : start + BLOCK] = torch.from_numpy(np.array(array[start : start + BLOCK]))
    return moved


class Prefetched(Storage):
    """Samples on the host; one thread gathers `AHEAD` batches and sends them ahead on a side stream."""

    def __init__(self, arrays: Arrays, device: torch.device, order: Order, sizes: tuple[int, ...]) -> None:
        self.arrays, self.device, self.order, self.sizes = arrays, device, order, cycle(sizes)
        self._all_sizes = sizes
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
            for tensor in (*rows.arrays.values(), rows.mirrored):
                if tensor is not None:
                    tensor.record_stream(current)
        return rows

    def go_to(self, cursor: Cursor) -> None:
        while self._ready:
            self._ready.popleft().result()
        self.order.go_to(cursor)
        self.sizes = cycle(self._all_sizes)
        self._fill()

    def resize(self, sizes: tuple[int, ...]) -> None:
        while self._ready:
            self._ready.popleft().result()
        self._all_sizes = sizes
        self._slots = [self._slot() for _ in range(AHEAD + 1)]

    def close(self) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._ready.clear()

    def _fill(self) -> None:
        while len(self._ready) < AHEAD:
            rows, mirrored = self.order.take(next(self.sizes))
            slot = self._slots[self._turn]
            self._turn = (self._turn + 1) % len(self._slots)
            self._ready.append(self._thread.submit(slot, rows, mirrored, self.order.cursor))

    def _slot(self) -> Callable[[Tensor, Tensor | None, Cursor], tuple[Rows, torch.cuda.Event | None]]:
        """A function that gathers one batch, through its own pinned buffer where the device is a GPU."""
        if self._stream is None:
            return lambda rows, mirrored, cursor: (
                Rows({name: _gathered(array, rows) for name, array in self.arrays.items()}, mirrored, cursor),
                None,
            )
        stream, event = self._stream, torch.cuda.Event()
        buffers = {
            name: torch.empty(
                (max(self._all_sizes), *array.shape[1:]),
                dtype=torch.from_numpy(np.array(array[:1])).dtype,
                pin_memory=True,
            )
            for name, array in self.arrays.items()
        }

        def send(
            rows: Tensor, mirrored: Tensor | None, cursor: Cursor
        ) -> tuple[Rows, torch.cuda.Event | None]:
            event.synchronize()  # the buffer's last copy has left; only this thread waits
            filled = {
                name: _gathered(array, rows, buffers[name][: len(rows)])
                for name, array in self.arrays.items()
            }
            with torch.cuda.stream(stream):
                arrays = {name: buffer.to(self.device, non_blocking=True) for name, buffer in filled.items()}
                mask = None if mirrored is None else mirrored.pin_memory().to(self.device, non_blocking=True)
                event.record(stream)
            return Rows(arrays, mask, cursor), event

        return send


def _gathered(array: np.ndarray, rows: Tensor, into: Tensor | None = None) -> Tensor:
    """The rows of an array, read in ascending order, as disks like it best."""
    ascending, places = rows.sort()
    gathered = torch.from_numpy(array[ascending.numpy()])
    result = torch.empty_like(gathered) if into is None else into
    return result.index_copy_(0, places, gathered)


def on_device(arrays: Arrays, device: torch.device, order: Order, sizes: tuple[int, ...]) -> Storage:
    """All samples on the device."""
    return OnDevice(arrays, order, sizes)


def in_memory(arrays: Arrays, device: torch.device, order: Order, sizes: tuple[int, ...]) -> Storage:
    """All samples in the host's memory."""
    return Prefetched({name: np.array(array) for name, array in arrays.items()}, device, order, sizes)


def mapped(arrays: Arrays, device: torch.device, order: Order, sizes: tuple[int, ...]) -> Storage:
    """Samples where they are, in the memory-mapped file."""
    return Prefetched(arrays, device, order, sizes)


STORAGES: dict[str, Callable[[Arrays, torch.device, Order, tuple[int, ...]], Storage]] = {
    "device": on_device,
    "memory": in_memory,
    "mapped": mapped,
}


def fitting(size: int, device: torch.device, runs_per_gpu: int = 1) -> str:
    """The quickest storage for `size` bytes that leaves half of the device's or host's memory free.

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
