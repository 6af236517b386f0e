"""What discriminator and generators minimise, as functions of the discriminator's outputs."""

from gantry.objectives import (
    margins,
    realness,
    standard,
    wasserstein,
)  # importing a file registers its objectives
from gantry.objectives.base import OBJECTIVES, Objective, build_objective

__all__ = [
    "OBJECTIVES",
    "Objective",
    "build_objective",
    "margins",
    "realness",
    "standard",
    "wasserstein",
]
