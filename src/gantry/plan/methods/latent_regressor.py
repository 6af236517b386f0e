"""The game of two, and an encoder that learns to read z from the generator's samples."""

from typing import TYPE_CHECKING, Literal

from gantry.plan.methods.base import MethodOptions
from gantry.plan.methods.conditional import refuse_what_needs_the_game_of_two

if TYPE_CHECKING:
    from gantry.plan.recipe import Recipe


class Options(MethodOptions):
    """Nothing: E minimises ‖z − E(G(z))‖² and moves no weight but its own (Donahue et al. 2017, section 4.1)."""

    name: Literal["latent_regressor"]

    def check(self, recipe: "Recipe") -> None:
        refuse_what_needs_the_game_of_two(self.name, recipe)
