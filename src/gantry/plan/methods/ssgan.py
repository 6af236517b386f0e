"""SS-GAN: a game of structures, and one of samples that are given a structure; then both together."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from gantry.plan.blocks.base import Positive, Rate, Weight
from gantry.plan.methods.base import MethodOptions
from gantry.plan.methods.conditional import refuse_what_needs_the_game_of_two

if TYPE_CHECKING:
    from gantry.plan.recipe import Recipe


class Options(MethodOptions):
    """What a structure is, how strictly samples keep it, and the joint stage.

    `structure` is of images; points have their first coordinate. `kept` weighs ‖s(G(s, z)) − s‖². From iteration
    `joint_from` on samples are given generated structures, rates are `joint_rate` times the others', and `through`
    is the share of the samples' gradient that reaches the generator of structures; without it the stages stay apart.
    """

    terms_of_generators: ClassVar[bool] = False

    name: Literal["ssgan"]
    structure: Literal["edges", "grey", "blur"] = "edges"
    kept: Weight = 0.1
    joint_from: Positive | None = None
    joint_rate: Rate = 0.005
    through: Annotated[float, Field(ge=0, le=1)] = 0.1

    def check(self, recipe: "Recipe") -> None:
        refuse_what_needs_the_game_of_two(self.name, recipe)
        if recipe.networks.makes == "images" and not hasattr(recipe.networks, "width"):
            raise ValueError(
                f"method ssgan: networks.family {recipe.networks.family} has no width: take dcgan"
            )
        if recipe.networks.grows or recipe.networks.family in ("lapgan", "singan"):
            raise ValueError(
                f"method ssgan: networks.family {recipe.networks.family} is of another method: take dcgan, or mlp"
            )
        if recipe.objective.width > 1:
            raise ValueError(f"method ssgan: objective {recipe.objective.name} reads more than one number")

    def check_workload(self, recipe: "Recipe", resolution: int | None, iterations: int) -> None:
        if self.joint_from is not None and self.joint_from >= iterations:
            raise ValueError(
                f"joint_from {self.joint_from}: the run has {iterations} iterations: take less, or lengthen the "
                "workload"
            )
