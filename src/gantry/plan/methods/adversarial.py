"""The game of two, which recipes play that name no method."""

from typing import Literal

from gantry.plan.methods.base import MethodOptions


class Options(MethodOptions):
    """Nothing: what there is to say stands in the recipe's other blocks."""

    name: Literal["adversarial"]
