"""What every service offers, and all that are asked for as one."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantry.errors import UserError

# The options of the configuration, each with the dependency group that brings its library.
SERVICES = {"tensorboard": "watch", "wandb": "wandb", "mlflow": "mlflow"}
TRAINING, SCORES = "training", "scores"


@dataclass(frozen=True)
class WatchedRun:
    """The run that is watched: its folder for such files, its name, the digest of recipe and data, its spec."""

    work: Path
    name: str
    identity: str
    spec: Mapping[str, Any]


class Watcher(ABC):
    """One service, told of one part of one run: of its training, or of its scores.

    `resumed_at` is the iteration from which training goes on; what lies behind it was told by one that was stopped.
    """

    @abstractmethod
    def __init__(self, run: WatchedRun, part: str, resumed_at: int) -> None: ...

    @abstractmethod
    def scalars(self, iteration: int, values: Mapping[str, float]) -> None:
        """Note numbers of one iteration, by name: "loss/D", "score/FID/G1"."""

    @abstractmethod
    def picture(self, iteration: int, name: str, image: NDArray[np.uint8]) -> None:
        """Note a picture (H, W, 3) of one iteration."""

    @abstractmethod
    def close(self) -> None:
        """Send what is held back."""


class Watchers:
    """Those that are asked for, told the same; none is fine."""

    def __init__(self, watchers: Iterable[Watcher]) -> None:
        self.watchers = tuple(watchers)

    def scalars(self, iteration: int, values: Mapping[str, float]) -> None:
        """See `Watcher.scalars`."""
        for watcher in self.watchers:
            watcher.scalars(iteration, values)

    def picture(self, iteration: int, name: str, image: NDArray[np.uint8]) -> None:
        """See `Watcher.picture`."""
        for watcher in self.watchers:
            watcher.picture(iteration, name, image)

    def close(self) -> None:
        """See `Watcher.close`."""
        for watcher in self.watchers:
            watcher.close()


def open_watchers(names: Iterable[str], run: WatchedRun, part: str, resumed_at: int = 0) -> Watchers:
    """Return the services of these names. UserError where a library is not installed."""
    return Watchers([_open(name, run, part, resumed_at) for name in names])


def _open(name: str, run: WatchedRun, part: str, resumed_at: int) -> Watcher:
    made: type[Watcher] = import_module(f"gantry.watching.{name}_").Service
    try:
        return made(run, part, resumed_at)
    except ImportError as error:
        raise UserError(
            f"config: {name}: needs the package {name} ({error}); install it (uv sync --group {SERVICES[name]}) or set "
            f"{name}: false"
        ) from None
