"""A run: one training, by data set, recipe and seed."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gantry.files import digest_of
from gantry.plan.methods.base import options_of
from gantry.plan.recipe import Recipe, Workload


def reads_labels(spec: Mapping[str, Any]) -> bool:
    """Whether a run of this spec reads the labels of its data set; of a method that is not known here, not."""
    told = spec.get("recipe", {}).get("method") or {}
    name = told.get("name", "") if isinstance(told, Mapping) else str(told)
    try:
        return options_of(name).reads_labels if name else False
    except ValueError:
        return False


def data_digest_of(manifest: Mapping[str, Any], spec: Mapping[str, Any]) -> str:
    """Return the digest of what a run of `spec` reads of the prepared set of `manifest`; "" where that says none.

    It is the samples' own. Of a run that reads labels it is of both, so that changed labels are changed data to it and
    to no other.
    """
    samples, labels = str(manifest.get("digest", "")), manifest.get("labels_digest")
    if not samples or not labels or not reads_labels(spec):
        return samples
    return digest_of({"samples": samples, "labels": labels})


def is_of_data(record: Mapping[str, Any], manifest: Mapping[str, Any], spec: Mapping[str, Any]) -> bool:
    """Whether a record is of a run on the data of `manifest`; it is where the data are gone.

    A record that names the samples alone, though its run read labels, is of before labels counted, and is taken as it
    is: which labels those were nothing says.
    """
    return record.get("data_digest") in _of(manifest, spec) or not manifest.get("digest")


def works_of(spec: dict[str, Any], manifest: Mapping[str, Any]) -> list[str]:
    """Return the names that the work folder of a run on this set may have, its own first; none without a set."""
    return [work_identity(spec, digest) for digest in _of(manifest, spec) if digest]


def _of(manifest: Mapping[str, Any], spec: Mapping[str, Any]) -> list[str]:
    """What a run on this set says of its data, and what it said before labels counted."""
    return list(dict.fromkeys([data_digest_of(manifest, spec), str(manifest.get("digest", ""))]))


def work_identity(spec: dict[str, Any], data_digest: str) -> str:
    """The name of a run's work folder: a digest of its spec and of the data that it reads."""
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
