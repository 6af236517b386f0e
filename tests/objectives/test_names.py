"""The objectives that recipes may name are those that exist."""

from typing import get_args, get_type_hints

from gantry.objectives import OBJECTIVES
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
