"""A run: one training, by data set, recipe and seed."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gantry.files import digest_of
from gantry.plan.recipe import Recipe, Workload


def work_identity(spec: dict[str, Any], data_digest: str) -> str:
    """The name of a run's work folder: a digest of its spec and of its data's own bytes."""
    return digest_of({"spec": spec, "data": data_digest})


@dataclass(frozen=True)
class Run:
    """One training: a data set, a recipe, a seed, and the iterations at which something is wanted of it."""

    dataset: str
    recipe_name: str
    recipe: Recipe
    workload: Workload
    seed: int
    spec: dict[str, Any]
    ends: tuple[int, ...]

    @property
    def key(self) -> str:
        """The run's name: data set, recipe and seed."""
        return f"{self.dataset}/{self.recipe_name}/seed{self.seed}"

    @cached_property
    def spec_digest(self) -> str:
        """The digest that names the run's folder and is compared wherever its results are used."""
        return digest_of(self.spec)

    @property
    def place(self) -> str:
        """The run's place below results/<scale>/runs: its name, and the digest of its spec."""
        return f"{self.key}/{self.spec_digest}"

    def ends_until(self, end: int) -> list[int]:
        """The ends of the segments that a result at iteration `end` rests on."""
        return [stop for stop in self.ends if stop <= end]

    def previous_end(self, end: int) -> int:
        """The end of the segment before the one that ends at `end`; 0 for the first."""
        return max((stop for stop in self.ends if stop < end), default=0)
