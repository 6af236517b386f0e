"""Figures: what is computed, and between which limits it should lie; one entry a check, for tests and for a table."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One figure, and the limits between which it should lie."""

    name: str
    value: float
    at_most: float
    at_least: float = 0.0

    @property
    def right(self) -> bool:
        """Whether it lies there."""
        return self.at_least <= self.value <= self.at_most


Check = Callable[[], Iterator[Figure]]
CHECKS: dict[str, Check] = {}
LONG: dict[str, Check] = {}  # those that take minutes


class Missing(Exception):
    """What a check needs is not installed, or not at hand."""


def check(name: str, registry: dict[str, Check] = CHECKS) -> Callable[[Check], Check]:
    """Function decorator: make a check known by what is held against what."""

    def enter(made: Check) -> Check:
        registry[name] = made
        return made

    return enter
