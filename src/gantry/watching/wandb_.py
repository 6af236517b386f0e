"""Weights & Biases: one of its runs for each of ours, found again by its id, whatever part tells of it.

Where to and how is its own business, by its own variables: WANDB_MODE=offline, WANDB_PROJECT, WANDB_ENTITY.
"""

import os
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gantry.watching.base import WatchedRun, Watcher


class Service(Watcher):
    """One run of a project; the iteration is its step."""

    def __init__(self, run: WatchedRun, part: str, resumed_at: int) -> None:
        import wandb

        self.wandb = wandb
        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "gantry"),
            id=run.identity,
            name=run.name,
            group=run.name.rpartition("/")[0],
            dir=str(run.work),
            resume="allow",
            config=dict(run.spec),
            settings=wandb.Settings(silent=True, console="off"),
        )
        self.run.define_metric("*", step_metric="iteration")

    def scalars(self, iteration: int, values: Mapping[str, float]) -> None:
        self.run.log({"iteration": iteration, **values})

    def picture(self, iteration: int, name: str, image: NDArray[np.uint8]) -> None:
        self.run.log({"iteration": iteration, name: self.wandb.Image(image)})

    def close(self) -> None:
        self.run.finish()
