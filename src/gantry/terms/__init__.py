"""Summands added to an objective's losses: constraints and penalties, by weight."""

from gantry.terms import (  # importing a file registers its terms
    bidirectional,
    drift,
    entropy_distance,
    features,
    gradient_penalty,
    jensen_shannon,
    weights,
)
from gantry.terms.base import (
    DISCRIMINATOR_TERMS,
    GENERATOR_TERMS,
    Batch,
    DiscriminatorTerm,
    GeneratorTerm,
    build_terms,
)

__all__ = [
    "DISCRIMINATOR_TERMS",
    "GENERATOR_TERMS",
    "Batch",
    "DiscriminatorTerm",
    "GeneratorTerm",
    "bidirectional",
    "build_terms",
    "drift",
    "entropy_distance",
    "features",
    "gradient_penalty",
    "jensen_shannon",
    "weights",
]
