"""TensorBoard: event files in the run's work folder; scores and samples as a run of their own, below `scores`."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gantry.watching.base import TRAINING, WatchedRun, Watcher


class Service(Watcher):
    """Event files; what lies after iteration `resumed_at` is dropped by TensorBoard."""

    def __init__(self, run: WatchedRun, part: str, resumed_at: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder = run.work / "events"
        self.writer = SummaryWriter(
            str(folder if part == TRAINING else folder / part), purge_step=resumed_at + 1
        )

    def scalars(self, iteration: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, iteration)
        self.writer.flush()

    def picture(self, iteration: int, name: str, image: NDArray[np.uint8]) -> None:
        self.writer.add_image(name, image, iteration, dataformats="HWC")

    def close(self) -> None:
        self.writer.flush()
