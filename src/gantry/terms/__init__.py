"""Summands added to an objective's losses: constraints and penalties, by weight."""

from importlib import import_module
from pkgutil import iter_modules

from gantry.terms.base import (
    DISCRIMINATOR_TERMS,
    GENERATOR_TERMS,
    DiscriminatorTerm,
    GeneratorTerm,
    TermInputs,
    build_terms,
)

for found in iter_modules(__path__):  # importing a file registers its terms
    import_module(f"{__name__}.{found.name}")

__all__ = [
    "DISCRIMINATOR_TERMS",
    "GENERATOR_TERMS",
    "DiscriminatorTerm",
    "GeneratorTerm",
    "TermInputs",
    "build_terms",
]
