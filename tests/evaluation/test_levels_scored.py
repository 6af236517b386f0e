"""Sources that are no equals are scored one by one, and the first stands for the method."""

from typing import Any

import numpy as np

from gantry.evaluation.score import ScorersByReference
from gantry.methods.sampler import Sampler


class Levels(Sampler):
    """Two sources, the second a part of the first."""

    sources = ("G1", "8")
    mixed = False

    def inputs(self, *told: Any) -> dict[str, Any]:
        return {}

    def sample(self, *told: Any) -> Any:
        raise NotImplementedError


class Equals(Levels):
    """Two generators."""

    mixed = True


def test_levels_are_never_mixed_and_equals_are() -> None:
    def scorer(drawn: dict[str, Any], names: list[str]) -> Any:
        yield "+".join(drawn), "metric", 0.0, 1, ""

    drawn = {"G1": np.zeros(2), "8": np.ones(2)}
    scored = {
        kind: [row[0] for row in ScorersByReference(scorer, None)(kind(), drawn, ["metric"])]  # type: ignore[arg-type]
        for kind in (Levels, Equals)
    }
    assert scored == {Levels: ["G1", "8"], Equals: ["G1+8"]}
