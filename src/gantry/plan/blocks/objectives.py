"""`objective`: what the discriminator and the generators minimise, by name."""

from typing import Annotated, Literal

from pydantic import Field

from gantry.plan.blocks.base import Formulation, Strict


class StandardObjective(Strict):
    """Goodfellow et al. 2014: the minimax game, or its non-saturating generator."""

    name: Literal["minimax", "non_saturating"]


class RealnessObjective(Strict):
    """RealnessGAN: the discriminator's verdict is a distribution over `outcomes`."""

    name: Literal["realness"]
    outcomes: Annotated[int, Field(ge=2)] = 51
    formulation: Formulation = "reference"
    # None leaves the choice to the formulation; a value overrides it, for the ablations.
    shifted_anchors: bool | None = None
    relativistic: bool | None = None
    redraw_anchors: bool = True


Objective = Annotated[StandardObjective | RealnessObjective, Field(discriminator="name")]
