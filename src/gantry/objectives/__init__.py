"""What discriminator and generators minimise, as functions of the discriminator's outputs."""

# Importing a file registers its objectives.
from gantry.objectives import (
    dual,
    energies,
    f_gan,
    loss_sensitive,
    margins,
    moments,
    realness,
    relativistic,
    standard,
    wasserstein,
)
from gantry.objectives.base import OBJECTIVES, Objective, build_objective

__all__ = [
    "OBJECTIVES",
    "Objective",
    "build_objective",
    "dual",
    "energies",
    "f_gan",
    "loss_sensitive",
    "margins",
    "moments",
    "realness",
    "relativistic",
    "standard",
    "wasserstein",
]
