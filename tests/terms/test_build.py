"""Which terms a recipe gets, at what weight and in which formulation."""

from typing import get_args

import pytest

from gantry.plan.blocks.base import Formulation
from gantry.plan.blocks.objectives import RealnessObjective, StandardObjective
from gantry.plan.blocks.terms import Terms
from gantry.terms import DISCRIMINATOR_TERMS, GENERATOR_TERMS, build_terms
from gantry.terms.bidirectional import (
    LOGIT_DISTANCES,
    SAMPLE_DISTANCES,
    LogitAgreement,
    SampleSpread,
)

REALNESS = RealnessObjective(name="realness")


def test_terms_are_the_plans() -> None:
    fields = Terms.model_fields.keys() - {"formulation", "schedules"}
    assert DISCRIMINATOR_TERMS.keys() | GENERATOR_TERMS.keys() == fields
    formulations = set(get_args(Formulation))
    assert set(LOGIT_DISTANCES) == set(SAMPLE_DISTANCES) == formulations


def test_each_weight_goes_with_its_term_to_its_player() -> None:
    for_discriminator, for_generators = build_terms(
        Terms(logit_agreement=1.5, sample_spread=0.5), REALNESS, (2,)
    )
    ((weight_d, term_d),), ((weight_g, term_g),) = for_discriminator, for_generators
    assert (weight_d, type(term_d)) == (1.5, LogitAgreement)
    assert (weight_g, type(term_g)) == (0.5, SampleSpread)


def test_a_weight_of_zero_leaves_the_term_out() -> None:
    assert build_terms(Terms(), REALNESS, (2,)) == ([], [])
    for_discriminator, for_generators = build_terms(Terms(sample_spread=0.001), REALNESS, (2,))
    assert (len(for_discriminator), len(for_generators)) == (0, 1)


@pytest.mark.parametrize(
    ("own", "objective", "expected"),
    [
        (None, RealnessObjective(name="realness", formulation="reference"), "reference"),
        (None, RealnessObjective(name="realness", formulation="paper"), "paper"),
        (None, StandardObjective(name="minimax"), "paper"),
        ("paper", RealnessObjective(name="realness", formulation="reference"), "paper"),
        ("reference", StandardObjective(name="non_saturating"), "reference"),
    ],
)
def test_formulation_is_the_terms_own_then_the_objectives_then_the_papers(own, objective, expected) -> None:
    pairs = build_terms(Terms(logit_agreement=1, sample_spread=1, formulation=own), objective, (2,))
    assert {term.formulation for part in pairs for _, term in part} == {expected}
