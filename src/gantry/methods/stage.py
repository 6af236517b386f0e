"""Spans of iterations in which nothing changes shape: growth, levels of a pyramid, one network after the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Stage:
    """What holds from iteration `start` on, until the next stage's; a method may add fields of its own."""

    start: int = 0
    phases: tuple[str, ...] | None = None
    """Names of the phases that an iteration has; None: all."""
    batch_size: int | None = None
    """In place of the recipe's, and of the phases' own."""
    fresh: bool = False
    """Whether optimisers begin anew; else moments of weights that go on learning are kept."""
    rate: float = 1.0
    """Times every learning rate."""
    ema: float | None = None
    """The average's decay, in place of the recipe's."""

    def told(self) -> dict[str, Any]:
        """Return what a run record says of the stage; nothing where there is nothing to say."""
        return {}


def stage_at(stages: Sequence[Stage], iteration: int) -> Stage:
    """Return the stage of the iteration that is counted as `iteration`, from 0 on."""
    return max((stage for stage in stages if stage.start <= iteration), key=lambda stage: stage.start)
