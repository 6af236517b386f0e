"""Draws batches from a prepared set, in the hot loop of training."""

from typing import Any

import torch
from torch import Tensor

from gantry.data.order import Cursor, Order
from gantry.data.prepared import PreparedSet
from gantry.data.residence import RESIDENCES, fitting
from gantry.errors import UserError


class Batches:
    """Batches of a prepared set, shuffled without repeats inside an epoch, for ever.

    An image batch is float32 (B, 3, H, W) in [−1, 1], channels last in memory, a point batch float32 (B, 2),
    on `device`. Each is full: where an epoch ends inside a batch, the next epoch's first rows complete it.
    With `flip`, half of the images, drawn anew each epoch, are mirrored left to right.

    `residence` says where the samples lie: "device", "memory" or "mapped"; None chooses by size and free
    memory, of a GPU that `runs_per_gpu` runs share. The batches do not depend on it.
    """

    def __init__(
        self,
        prepared: PreparedSet,
        batch_size: int,
        seed: int,
        device: torch.device | str,
        flip: bool = False,
        residence: str | None = None,
        runs_per_gpu: int = 1,
    ) -> None:
        self.device = torch.device(device)
        self.residence = residence or fitting(prepared.samples.nbytes, self.device, runs_per_gpu)
        self._is_image = prepared.kind == "images"
        self._identity = {"seed": seed, "data": prepared.digest}
        ordered_on = self.device if self.residence == "device" else torch.device("cpu")
        order = Order(len(prepared), seed, ordered_on, flip and self._is_image)
        self._rows = RESIDENCES[self.residence](prepared.samples, self.device, order, batch_size)
        self._cursor = Cursor()

    def next(self) -> Tensor:
        """The next batch. With residence "device" nothing waits for the device or for the host."""
        samples, mirrored, self._cursor = self._rows.next()
        return as_input(samples, mirrored) if self._is_image else samples

    def state_dict(self) -> dict[str, Any]:
        """Where the next batch begins: seed, data digest, epoch, position."""
        return self._identity | {"epoch": self._cursor.epoch, "position": self._cursor.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state of the same data and seed, with the batch that was next then."""
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


def as_input(images: Tensor, mirrored: Tensor | None = None) -> Tensor:
    """uint8 (B, H, W, 3) → float32 (B, 3, H, W) in [−1, 1], channels last in memory.

    The images that `mirrored` (B,) marks are mirrored left to right.
    """
    if mirrored is not None:
        images = torch.where(mirrored[:, None, None, None], images.flip(2), images)
    planes = images.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.channels_last)
    return planes.div_(127.5).sub_(1.0)
