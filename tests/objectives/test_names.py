"""The objectives that recipes may name are those that exist."""

from typing import Any, get_args

import pytest
from pydantic import TypeAdapter
from tests.objectives.blocks import OBJECTIVE_BLOCKS

from gantry.objectives import OBJECTIVES, build_objective
from gantry.objectives.f_gan import DIVERGENCES, WEIGHTED
from gantry.objectives.kernels import KERNELS
from gantry.objectives.moments import MMD_GAN_SCALES
from gantry.objectives.realness import DISTANCES
from gantry.plan.blocks import objectives as blocks
from gantry.plan.blocks.base import Formulation


def test_objectives_and_their_choices_are_the_plans() -> None:
    assert set(OBJECTIVES) == set(blocks.OBJECTIVES)
    assert set(KERNELS) == set(MMD_GAN_SCALES) == set(get_args(blocks.Kernel))
    assert set(DISTANCES) == set(get_args(Formulation))
    assert {*DIVERGENCES, *WEIGHTED} == set(get_args(blocks.FDivergence))


@pytest.mark.parametrize("block", OBJECTIVE_BLOCKS.values(), ids=OBJECTIVE_BLOCKS)
def test_the_plan_knows_what_an_objective_reads(block: dict[str, Any]) -> None:
    known = TypeAdapter(blocks.Objective).validate_python(block)
    objective = build_objective(known)
    assert known.discriminators == objective.discriminators
    assert known.width == objective.outputs
    assert known.generator_uses_real == objective.generator_uses_real
