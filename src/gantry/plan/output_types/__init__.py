"""The types of output: what an `outputs` entry may say, and what makes it.

The report's rooms draw and compute; here stands only what may be asked of them, so that a mistake is refused
before anything runs. A new type is its options, registered here by name, and the file of that name that makes it.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Literal

from gantry.plan.output_types.base import OUTPUT_TYPES, SUFFIXES, Family, OutputType

for found in iter_modules(__path__):  # importing a file registers its types
    import_module(f"{__name__}.{found.name}")

# Quantities that claims may speak of and that are no metrics.
CLAIMED_QUANTITIES = (
    "gpu_memory",
    "seconds_per_iteration",
    "generator_parameters",
    "generators_apart",
    "backgrounds_apart",
    "middle_mode_error",
)

CLAIMS = "claims"

if TYPE_CHECKING:
    TypeName = str
else:
    TypeName = Literal[tuple(OUTPUT_TYPES)]

__all__ = ["CLAIMED_QUANTITIES", "CLAIMS", "OUTPUT_TYPES", "SUFFIXES", "Family", "OutputType", "TypeName"]
