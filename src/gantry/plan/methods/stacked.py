"""Stacked GAN: a generator of a classifier's features, and one of samples that have them."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from gantry.plan.blocks.base import Positive, Weight
from gantry.plan.methods.base import MethodOptions
from gantry.plan.methods.conditional import need_dense_end, refuse_what_needs_the_game_of_two

if TYPE_CHECKING:
    from gantry.plan.recipe import Recipe


class Options(MethodOptions):
    """The features (`features` numbers), the stages, and the weights of what is asked besides realness.

    The encoder learns to classify up to iteration `levels_from`, and stands still afterwards; then both levels learn,
    each alone, and together from `joint_from` on, when `through` is the share of the gradient of samples that reaches
    the generator of features. `conditional` weighs that E finds again what a level was given, `entropy` that D's trunk
    finds its noise. `width` is that of the networks of features.
    """

    phases: ClassVar[tuple[str, ...]] = ("classifier", "discriminator", "generator")
    asks_for_labels: ClassVar[bool] = True
    reads_labels: ClassVar[bool] = True
    terms_of_generators: ClassVar[bool] = False

    name: Literal["stacked"]
    features: Positive = 256
    width: Positive = 512
    noise: Positive = 50
    levels_from: Positive
    joint_from: Positive | None = None
    through: Annotated[float, Field(ge=0, le=1)] = 0.01
    conditional: Weight = 1.0
    entropy: Weight = 10.0

    @model_validator(mode="after")
    def _stages_follow_each_other(self) -> "Options":
        if self.joint_from is not None and self.joint_from <= self.levels_from:
            raise ValueError(
                f"joint_from {self.joint_from}: levels learn alone from levels_from {self.levels_from} on: take more"
            )
        return self

    def check(self, recipe: "Recipe") -> None:
        refuse_what_needs_the_game_of_two(self.name, recipe)
        need_dense_end(self.name, recipe)
        if recipe.objective.width > 1:
            raise ValueError(f"method stacked: objective {recipe.objective.name} reads more than one number")

    def check_workload(self, recipe: "Recipe", resolution: int | None, iterations: int) -> None:
        last = self.joint_from or self.levels_from
        if last >= iterations:
            raise ValueError(
                f"{'joint_from' if self.joint_from else 'levels_from'} {last}: the run has {iterations} iterations: "
                "take less, or lengthen the workload"
            )
