"""InfoGAN: a code that the generator is given and the discriminator recognises."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from gantry.plan.blocks.base import Weight
from gantry.plan.methods.base import MethodOptions
from gantry.plan.methods.conditional import (
    need_dense_end,
    refuse_virtual_batch_norm,
    refuse_what_needs_the_game_of_two,
)

if TYPE_CHECKING:
    from gantry.plan.recipe import Recipe


class Options(MethodOptions):
    """The code c: categorical ones of so many values each, and so many continuous ones on [−1, 1]; λ of −L_I.

    The control of its claim is `information: 0`: G has no reason to write the code, and Q still learns to read it.
    """

    asks_for_codes: ClassVar[bool] = True

    name: Literal["infogan"]
    categorical: tuple[Annotated[int, Field(ge=2)], ...] = (10,)
    continuous: Annotated[int, Field(ge=0)] = 0
    information: Weight = 1.0

    @property
    def continuous_codes(self) -> int:
        return self.continuous

    @model_validator(mode="after")
    def _there_is_a_code(self) -> "Options":
        if not self.categorical and not self.continuous:
            raise ValueError("there is no code: give categorical: [10], say, or continuous: 2")
        return self

    def check(self, recipe: "Recipe") -> None:
        refuse_what_needs_the_game_of_two(self.name, recipe)
        need_dense_end(self.name, recipe)
        refuse_virtual_batch_norm(recipe)
        if recipe.objective.width > 1:
            raise ValueError(f"method infogan: objective {recipe.objective.name} reads more than one number")
