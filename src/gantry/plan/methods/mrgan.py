"""MRGAN: the game of two, and an encoder whose reconstructions hold the generator to every mode."""

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import model_validator

from gantry.plan.blocks.base import Weight
from gantry.plan.methods.base import MethodOptions
from gantry.plan.methods.conditional import refuse_what_needs_the_game_of_two

if TYPE_CHECKING:
    from gantry.plan.recipe import Recipe


class Options(MethodOptions):
    """λ₁ (`reconstruction`), of ‖x − G(E(x))‖², and λ₂ (`realism`), of the generator's loss on G(E(x))."""

    terms_of_generators: ClassVar[bool] = False

    name: Literal["mrgan"]
    reconstruction: Weight = 0.2
    realism: Weight = 0.4

    @model_validator(mode="after")
    def _the_encoder_learns(self) -> "Options":
        if not self.reconstruction and not self.realism:
            raise ValueError(
                "reconstruction and realism are both 0, so that the encoder learns nothing: give one, or take method "
                "adversarial"
            )
        return self

    def check(self, recipe: "Recipe") -> None:
        refuse_what_needs_the_game_of_two(self.name, recipe)
        if recipe.objective.width > 1:
            raise ValueError(f"method mrgan: objective {recipe.objective.name} reads more than one number")
