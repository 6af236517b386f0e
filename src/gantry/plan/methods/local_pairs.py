"""Several pairs that play alone, and a global pair that learns from all of them: Chavdarova and Fleuret's SGAN."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from gantry.plan.methods.base import MethodOptions
from gantry.plan.methods.conditional import refuse_what_needs_the_game_of_two

if TYPE_CHECKING:
    from gantry.plan.recipe import Recipe


class Options(MethodOptions):
    """How many local pairs there are."""

    phases: ClassVar[tuple[str, ...]] = ("discriminator", "messenger", "generator")
    terms_of_generators: ClassVar[bool] = False

    name: Literal["local_pairs"]
    pairs: Annotated[int, Field(ge=1, le=10)] = 5

    def check(self, recipe: "Recipe") -> None:
        refuse_what_needs_the_game_of_two(self.name, recipe, but=("terms.gradient_penalty",))
        if recipe.objective.width > 1:
            raise ValueError(
                f"method local_pairs: objective {recipe.objective.name} reads more than one number"
            )
