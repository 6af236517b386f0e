"""What discriminator and generators minimise, as functions of the discriminator's outputs."""

from importlib import import_module
from pkgutil import iter_modules

from gantry.objectives.base import OBJECTIVES, Objective, build_objective

for found in iter_modules(__path__):  # importing a file registers its objectives
    import_module(f"{__name__}.{found.name}")

__all__ = ["OBJECTIVES", "Objective", "build_objective"]
