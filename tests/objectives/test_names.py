"""The objectives that recipes may name are those that exist."""

from typing import Any, get_args, get_type_hints

import pytest
from pydantic import TypeAdapter
from tests.objectives.test_precision import BLOCKS

from gantry.objectives import OBJECTIVES, build_objective
from gantry.objectives.f_gan import DIVERGENCES, WEIGHTED
from gantry.objectives.kernels import KERNELS
from gantry.objectives.moments import MMD_GAN_SCALES
from gantry.objectives.realness import DISTANCES
from gantry.plan.blocks import objectives as blocks
from gantry.plan.blocks.base import Formulation


def test_objectives_and_their_choices_are_the_plans() -> None:
    models = get_args(get_args(blocks.Objective)[0])
    allowed = {name for model in models for name in get_args(get_type_hints(model)["name"])}
    assert set(OBJECTIVES) == allowed
    assert set(KERNELS) == set(MMD_GAN_SCALES) == set(get_args(blocks.Kernel))
    assert set(DISTANCES) == set(get_args(Formulation))
    assert {*DIVERGENCES, *WEIGHTED} == set(get_args(blocks.FDivergence))


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: " ".join(map(str, block.values())))
def test_the_plan_knows_what_an_objective_reads(block: dict[str, Any]) -> None:
    known = TypeAdapter(blocks.Objective).validate_python(block)
    objective = build_objective(known)
    assert known.discriminators == objective.discriminators
    assert known.width == objective.outputs
    assert known.generator_uses_real == objective.generator_uses_real
    assert known.kernels == len(getattr(objective, "scales", ()))
