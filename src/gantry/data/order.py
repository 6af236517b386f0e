"""The order in which training sees a set: a fresh permutation each epoch, known from the seed alone."""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Cursor:
    """A place in the order: the first `position` rows of epoch `epoch` have been handed out."""

    epoch: int = 0
    position: int = 0


class Order:
    """Uniform shuffling without repeats in an epoch; where one ends inside a batch, the next fills it.

    Everything follows from (count, seed, cursor), so nothing else need be saved. Permutations are drawn on
    the CPU, whose generator gives the same numbers on every machine, and moved to `device` once an epoch. With
    `rows`, an epoch has these of the `count` rows alone.
    """

    def __init__(
        self,
        count: int,
        seed: int,
        device: torch.device,
        flip: bool = False,
        rows: NDArray[np.int64] | None = None,
    ) -> None:
        self.chosen = None if rows is None else torch.from_numpy(np.array(rows, dtype=np.int64))
        self.count = count if rows is None else len(rows)
        self.seed, self.device, self.flip = seed, device, flip
        self.cursor = Cursor()
        self._begin(0)

    def go_to(self, cursor: Cursor) -> None:
        """Go on from `cursor`."""
        self.cursor = cursor
        self._begin(cursor.epoch)

    def take(self, size: int) -> tuple[Tensor, Tensor | None]:
        """The next `size` row numbers, int64 on the device, and which of them to mirror, bool, if any are."""
        rows, mirrored = [], []
        while size:
            epoch, start = self.cursor.epoch, self.cursor.position
            stop = min(start + size, self.count)
            if start < stop:
                rows.append(self._rows[start:stop])
                mirrored += [] if self._mirrored is None else [self._mirrored[start:stop]]
            size -= stop - start
            if size:
                self.go_to(Cursor(epoch + 1, 0))
            else:
                self.cursor = Cursor(epoch, stop)
        return _joined(rows), _joined(mirrored) if self.flip else None

    def _begin(self, epoch: int) -> None:
        generator = torch.Generator().manual_seed(_mixed(self.seed, epoch))
        order = torch.randperm(self.count, generator=generator)
        self._rows = self._moved(order if self.chosen is None else self.chosen[order])
        self._mirrored = self._moved(torch.rand(self.count, generator=generator) < 0.5) if self.flip else None

    def _moved(self, drawn: Tensor) -> Tensor:
        """To the device; from pinned memory, because a copy from pageable memory waits for the device."""
        if self.device.type == "cuda":
            return drawn.pin_memory().to(self.device, non_blocking=True)
        return drawn.to(self.device)


def _joined(parts: list[Tensor]) -> Tensor:
    """One tensor; without a copy where an epoch does not end inside the batch, as hardly any does."""
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _mixed(seed: int, epoch: int) -> int:
    """A seed for one epoch; neighbouring seeds and epochs give unrelated ones."""
    return int.from_bytes(hashlib.sha256(f"order {seed} {epoch}".encode()).digest()[:8], "little") >> 1
