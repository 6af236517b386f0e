"""`objective`: what the discriminator and the generators minimise, by name."""

from typing import Annotated, Literal

from pydantic import Field

from gantry.plan.blocks.base import Formulation, Rate, Strict

Level = Annotated[float, Field(allow_inf_nan=False)]


class StandardObjective(Strict):
    """Goodfellow et al. 2014: the minimax game, or its non-saturating generator."""

    name: Literal["minimax", "non_saturating"]
    # Below 1: one-sided label smoothing.
    real_label: Annotated[float, Field(gt=0.5, le=1)] = 1.0


class LeastSquaresObjective(Strict):
    """LSGAN: verdicts go to `b` on real and to `a` on generated samples; G pulls its own to `c`."""

    name: Literal["least_squares"]
    a: Level = 0.0
    b: Level = 1.0
    c: Level = 1.0


class HingeObjective(Strict):
    """The hinge loss of geometric GAN, SNGAN, SAGAN and BigGAN."""

    name: Literal["hinge"]


class WassersteinObjective(Strict):
    """WGAN; `clip` bounds the critic's weights (0.01 there), without it a penalty must bound the slope."""

    name: Literal["wasserstein"]
    clip: Rate | None = None


class RealnessObjective(Strict):
    """RealnessGAN: the discriminator's verdict is a distribution over `outcomes`."""

    name: Literal["realness"]
    outcomes: Annotated[int, Field(ge=2)] = 51
    formulation: Formulation = "reference"
    # None leaves the choice to the formulation; a value overrides it, for the ablations.
    shifted_anchors: bool | None = None
    relativistic: bool | None = None
    redraw_anchors: bool = True


Objective = Annotated[
    StandardObjective | LeastSquaresObjective | HingeObjective | WassersteinObjective | RealnessObjective,
    Field(discriminator="name"),
]
