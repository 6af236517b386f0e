"""SinGAN: one picture, a generator and a discriminator for each of its scales, one after the other."""

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from gantry.plan.blocks.base import Rate
from gantry.plan.methods.base import MethodOptions
from gantry.plan.methods.conditional import need_family

if TYPE_CHECKING:
    from gantry.plan.recipe import Recipe

DROPS_AT = 0.8  # of a scale's rounds: 1,600 of 2,000
SMALLEST = 12  # pixels a side: D, without padding, sees windows of 11


class Options(MethodOptions):
    """Which picture of the data set, and its scales: near `factor` apart, the coarsest `coarsest` pixels a side.

    `rounds` iterations a scale; `noise` times the error of the scales below is the amplitude of a scale's noise;
    `reconstruction` weighs the error at one fixed noise, `penalty` that of D's slopes.
    """

    name: Literal["singan"]
    picture: Annotated[int, Field(ge=0)] = 0
    coarsest: Annotated[int, Field(ge=SMALLEST)] = 25
    factor: Annotated[float, Field(gt=0.4, lt=0.95)] = 0.75
    rounds: Annotated[int, Field(ge=5)] = 2000
    noise: Rate = 0.1
    reconstruction: Rate = 10.0
    penalty: Rate = 0.1

    def sizes(self, resolution: int) -> list[int]:
        """Return pixels a side from coarse to fine; the factor is moved so that the coarsest fits, as in their code."""
        steps = max(1, math.ceil(math.log(self.coarsest / resolution) / math.log(self.factor)))
        ratio = (self.coarsest / resolution) ** (1 / steps)
        return [math.ceil(round(resolution * ratio**step, 9)) for step in range(steps, -1, -1)]

    def starts(self, scale: int) -> tuple[int, int]:
        """Return the iterations at which a scale starts, and at which its rates drop."""
        return scale * self.rounds, scale * self.rounds + round(DROPS_AT * self.rounds)

    def check(self, recipe: "Recipe") -> None:
        need_family(self.name, recipe, "singan", "scales")
        if recipe.objective.name != "wasserstein":
            raise ValueError(
                f"method singan is played with Wasserstein losses: set objective: {{name: wasserstein}} (given: "
                f"{recipe.objective.name})"
            )
        idle = {
            "generators": recipe.generators > 1,
            "pack": recipe.pack > 1,
            "unroll": recipe.unroll > 0,
            "ema": recipe.ema > 0,
            "terms": recipe.terms != type(recipe.terms)(),
            "latent.shift": recipe.latent.shift is not None,
            "objective.clip": getattr(recipe.objective, "clip", None) is not None,
        }
        for key in (key for key, used in idle.items() if used):
            raise ValueError(f"method singan has one picture, and losses of its own: take {key} away")

    def check_workload(self, recipe: "Recipe", resolution: int | None, iterations: int) -> None:
        if resolution is None:
            return
        if self.coarsest >= resolution:
            raise ValueError(
                f"coarsest: {self.coarsest} leaves no scale below {resolution} pixels a side: take less"
            )
        last, _ = self.starts(len(self.sizes(resolution)) - 1)
        if last >= iterations:
            raise ValueError(
                f"rounds: the scales before the last take {last} iterations, and the run has {iterations}: lengthen "
                "the workload, or shorten rounds"
            )
