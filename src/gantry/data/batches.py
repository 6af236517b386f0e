"""Draws batches from a prepared set, in the hot loop of training."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantry.data.order import Cursor, Order
from gantry.data.prepared import PreparedSet
from gantry.data.storage import STORAGES, fitting
from gantry.errors import UserError


class Stream(NamedTuple):
    """Rows of a prepared set, in an order of their own, and what comes with them."""

    rows: NDArray[np.int64] | None = None
    """Which rows; None: all."""
    beside: tuple[str, ...] = ()
    """What comes with the samples, row by row: "labels", "inputs"."""
    of: str = "samples"
    """What its samples are: those of the set, or the "inputs" of its pairs."""
    labels: Callable[[], NDArray[Any]] | None = None
    """Gives those of all rows, in the place of the set's own, when batches of it are made."""
    captions: int = 1
    """Of how many of a row's vectors, where it has several, its label is the mean."""

    def array(self, prepared: PreparedSet, name: str) -> NDArray[Any]:
        """Return what comes with the samples under `name`, a row for each of the set's."""
        return self.labels() if name == "labels" and self.labels is not None else beside(prepared, name)


ALL = Stream()


class Drawn(NamedTuple):
    """A batch of every stream."""

    data: dict[str, Tensor]
    """Samples by stream; what comes beside them as "<stream>_labels", "<stream>_inputs", but "input" for "x"."""
    labels: Tensor | None
    """Of stream "x"."""


class Batches:
    """Batches of a prepared set, shuffled without repeats inside an epoch, for ever.

    An image batch is float32 (B, 3, H, W) in [−1, 1], channels last in memory, a point batch float32 (B, 2),
    on `device`. Each is full: where an epoch ends inside a batch, the next epoch's first rows complete it.
    With `flip`, half of the images, drawn anew each epoch, are mirrored left to right.

    `batch_size` is one size, or the sizes of successive batches, which then come again and again. `storage` says
    where the samples lie: "device", "memory" or "mapped"; None chooses by size and free memory, of a GPU that
    `runs_per_gpu` runs share. The batches do not depend on it.
    """

    def __init__(
        self,
        prepared: PreparedSet,
        batch_size: int | Sequence[int],
        seed: int,
        device: torch.device | str,
        flip: bool = False,
        storage: str | None = None,
        stream: Stream = ALL,
        runs_per_gpu: int = 1,
    ) -> None:
        self.device = torch.device(device)
        samples = prepared.samples if stream.of == "samples" else beside(prepared, stream.of)
        self.storage = storage or fitting(samples.nbytes, self.device, runs_per_gpu)
        self._is_image = prepared.kind == "images"
        self._seed, self._captions = seed, stream.captions
        self._identity = {"seed": seed, "data": prepared.digest}
        ordered_on = self.device if self.storage == "device" else torch.device("cpu")
        order = Order(len(prepared), seed, ordered_on, flip and self._is_image, stream.rows)
        arrays = {"samples": samples} | {name: stream.array(prepared, name) for name in stream.beside}
        if stream.labels is not None:
            self._identity["labels"] = hashlib.sha256(arrays["labels"].tobytes()).hexdigest()
        self._rows = STORAGES[self.storage](arrays, self.device, order, sizes_of(batch_size))
        self._cursor = Cursor()

    def next(self) -> Tensor:
        """The next batch. With storage "device" nothing waits for the device or for the host."""
        return self.next_with_all()["samples"]

    def next_with_all(self) -> dict[str, Tensor]:
        """The next batch as "samples", with what comes beside it, by name."""
        begins = self._cursor
        arrays, mirrored, self._cursor = self._rows.next()
        return {
            name: as_input(array, mirrored)
            if array.dim() == 4
            else mean_of_some(array, self._captions, self._seed, begins)
            if array.dim() == 3
            else array
            for name, array in arrays.items()
        }

    def resize(self, batch_size: int | Sequence[int]) -> None:
        """Go on with batches of other sizes from where the next one begins."""
        self._rows.resize(sizes_of(batch_size))
        self._rows.go_to(self._cursor)

    def state_dict(self) -> dict[str, Any]:
        """Where the next batch begins: seed, data digest, epoch, position."""
        return self._identity | {"epoch": self._cursor.epoch, "position": self._cursor.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state of the same data and seed, with the batch that was next then.

        Where sizes differ from batch to batch, it is the first of them.
        """
        for key, own in self._identity.items():
            if state[key] != own:
                raise UserError(
                    f"the saved training state is of another {key} ({state[key]}, here {own}): "
                    "the data set or the seed has changed since; delete the run's work folder"
                )
        self._cursor = Cursor(int(state["epoch"]), int(state["position"]))
        self._rows.go_to(self._cursor)

    def close(self) -> None:
        """End the prefetch thread, if there is one."""
        self._rows.close()


class Streams:
    """Batches of several streams at once; the first, "x", has the order that it would have alone."""

    def __init__(
        self,
        prepared: PreparedSet,
        streams: Mapping[str, Stream],
        batch_size: int | Sequence[int],
        seed: int,
        device: torch.device | str,
        flip: bool = False,
        runs_per_gpu: int = 1,
    ) -> None:
        seeds = {name: seed if name == "x" else seed_of(seed, name) for name in streams}
        self.batches = {
            name: Batches(prepared, batch_size, seeds[name], device, flip, None, stream, runs_per_gpu)
            for name, stream in streams.items()
        }

    def next(self) -> Drawn:
        """The next batch of every stream."""
        data: dict[str, Tensor] = {}
        labels = None
        for name, batches in self.batches.items():
            drawn = batches.next_with_all()
            data[name] = drawn.pop("samples")
            if name == "x":
                labels = drawn.pop("labels", None)
            for kind, tensor in drawn.items():
                data["input" if (name, kind) == ("x", "inputs") else f"{name}_{kind}"] = tensor
        return Drawn(data, labels)

    def resize(self, batch_size: int | Sequence[int]) -> None:
        """Go on with batches of other sizes from where the next one begins."""
        for batches in self.batches.values():
            batches.resize(batch_size)

    def state_dict(self) -> dict[str, Any]:
        """Where the next batches begin: of "x" as `Batches` has it, of others by name."""
        states = {name: batches.state_dict() for name, batches in self.batches.items()}
        first = states.pop("x")
        return first | ({"others": states} if states else {})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state of the same data, seed and streams."""
        states = {"x": state} | state.get("others", {})
        for name, batches in self.batches.items():
            batches.load_state_dict(states[name])

    def close(self) -> None:
        """End the prefetch threads."""
        for batches in self.batches.values():
            batches.close()


def mean_of_some(vectors: Tensor, count: int, seed: int, at: Cursor) -> Tensor:
    """Return the mean of `count` of each row's vectors: (B, M, V) → (B, V), drawn anew in every batch.

    Which ones follows from the seed and where the batch begins, so nothing is saved and a resumed run draws the same.
    StackGAN++ draws one, GAN-CLS and StackGAN average four of ten.
    """
    rows, captions, _ = vectors.shape
    told = hashlib.sha256(f"captions {seed} {at.epoch} {at.position}".encode()).digest()[:8]
    generator = torch.Generator().manual_seed(int.from_bytes(told, "little") >> 1)
    chosen = torch.rand(rows, captions, generator=generator).argsort(1)[:, :count, None]
    if vectors.device.type == "cuda":  # a copy from pageable memory waits for the device
        chosen = chosen.pin_memory()
    return vectors.take_along_dim(chosen.to(vectors.device, non_blocking=True), 1).mean(1)


def beside(prepared: PreparedSet, name: str) -> NDArray[Any]:
    """Return what lies beside the samples under this name, a row for each. UserError if there is nothing."""
    found: NDArray[Any] | None = getattr(prepared, name, None)
    if found is None:
        raise UserError(
            f"data set {prepared.name} has no {name}, which the recipe's method needs: take another data set or method"
        )
    return found


def sizes_of(batch_size: int | Sequence[int]) -> tuple[int, ...]:
    """Return the sizes of successive batches."""
    return (batch_size,) if isinstance(batch_size, int) else tuple(batch_size)


def seed_of(seed: int, stream: str) -> int:
    """Return the seed of another stream's order; streams and seeds give unrelated ones."""
    return int.from_bytes(hashlib.sha256(f"stream {stream} {seed}".encode()).digest()[:8], "little") >> 1


def as_input(images: Tensor, mirrored: Tensor | None = None) -> Tensor:
    """uint8 (B, H, W, C) → float32 (B, C, H, W) in [−1, 1], channels last in memory.

    The images that `mirrored` (B,) marks are mirrored left to right.
    """
    if mirrored is not None:
        images = torch.where(mirrored[:, None, None, None], images.flip(2), images)
    planes = images.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.channels_last)
    return planes.div_(127.5).sub_(1.0)
