"""`schedule`: how a learning rate or a weight changes with the iterations, as a factor on what the recipe says.

Iterations are absolute and counted from 0, so a run that is extended goes on as it was; the factor is a closed form,
so nothing need be saved.
"""

import math
from abc import abstractmethod
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from gantry.plan.blocks.base import Positive, Strict, Weight

Iteration = Annotated[int, Field(ge=0)]
# A place in a run: an iteration, or a share of the workload's iterations, which a scale changes with them.
Place = Iteration | Annotated[float, Field(gt=0, lt=1)]


def place_in(place: Place, iterations: int) -> int:
    """Return the iteration at a place of a run."""
    return place if isinstance(place, int) else round(place * iterations)


class Changing(Strict):
    """What all schedules have."""

    def at(self, iteration: int) -> float:
        """Return the factor in the iteration counted as `iteration`, from 0 on."""
        return 1.0

    def words(self) -> str:
        """Return what happens, as the end of a sentence on rates."""
        return "as they are"

    def until(self, iterations: int) -> "Changing":
        """Return the schedule with the end of a run in place of an end that is not given."""
        return self


class Constant(Changing):
    """1 throughout: takes back what a recipe inherits."""

    kind: Literal["constant"]


class Ramp(Changing):
    """From 1, until iteration `start`, to `final`, from iteration `end` on; None: the end of the workload's runs.

    `start: 0.5` is the middle of these runs.
    """

    shape: ClassVar[str]

    start: Place = 0
    end: Positive | None = None
    final: Weight = 0.0

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> "Ramp":
        if self.end is not None and self.end <= self.start:
            raise ValueError(f"end {self.end} is not after start {self.start}")
        return self

    def until(self, iterations: int) -> "Ramp":
        if self.end is not None and isinstance(self.start, int):
            return self
        start = place_in(self.start, iterations)
        # A run may end, at a small scale, before the fall begins.
        end = self.end or max(iterations, start + 1)
        return type(self).model_validate(self.model_dump() | {"start": start, "end": end})

    def at(self, iteration: int) -> float:
        if self.end is None or not isinstance(self.start, int):
            raise ValueError("the schedule's end is not given, and nobody has said how long the run is")
        passed = (min(max(iteration, self.start), self.end) - self.start) / (self.end - self.start)
        return self.final + (1 - self.final) * self.left(passed)

    def words(self) -> str:
        start = (
            f"from iteration {self.start:,} " if isinstance(self.start, int) else f"from {self.start:.0%} on "
        )
        start = start if self.start else ""
        end = "the end of the run" if self.end is None else f"iteration {self.end:,}"
        return f"falling to {self.final:g} of themselves {start}until {end}, {self.shape}"

    @abstractmethod
    def left(self, passed: float) -> float:
        """Return how much is left, from 1 to 0, where `passed` goes from 0 to 1."""


class Linear(Ramp):
    """A straight line."""

    shape: ClassVar[str] = "along a line"

    kind: Literal["linear"]

    def left(self, passed: float) -> float:
        return 1 - passed


class Cosine(Ramp):
    """Half a wave of a cosine. Loshchilov and Hutter 2017, eq. 5, without restarts."""

    shape: ClassVar[str] = "along a cosine"

    kind: Literal["cosine"]

    def left(self, passed: float) -> float:
        return (1 + math.cos(math.pi * passed)) / 2


class Steps(Changing):
    """Times `factor` at each of the iterations `milestones`, or at every multiple of `every`."""

    kind: Literal["steps"]
    factor: Weight = 0.1
    every: Positive | None = None
    milestones: tuple[Positive, ...] = ()

    def words(self) -> str:
        places = (
            f"every {self.every:,} iterations" if self.every else f"at {', '.join(map(str, self.milestones))}"
        )
        return f"times {self.factor:g} {places}"

    @model_validator(mode="after")
    def _has_steps(self) -> "Steps":
        if (self.every is None) == (not self.milestones):
            raise ValueError("give either milestones (a list of iterations) or every (a number of them)")
        return self

    def at(self, iteration: int) -> float:
        passed = (
            iteration // self.every
            if self.every
            else sum(milestone <= iteration for milestone in self.milestones)
        )
        return float(self.factor**passed)


class Switch(Changing):
    """`before` until iteration `start`, `after` from there on."""

    kind: Literal["switch"]
    start: Positive
    before: Weight = 0.0
    after: Weight = 1.0

    def words(self) -> str:
        return f"times {self.before:g} until iteration {self.start:,}, then times {self.after:g}"

    def at(self, iteration: int) -> float:
        return self.before if iteration < self.start else self.after


Schedule = Annotated[Constant | Linear | Cosine | Steps | Switch, Field(discriminator="kind")]
