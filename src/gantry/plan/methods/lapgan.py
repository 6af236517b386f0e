"""LAPGAN: a generator and a discriminator for every level of a Laplacian pyramid."""

from typing import TYPE_CHECKING, ClassVar, Literal

from gantry.plan.methods.base import MethodOptions
from gantry.plan.methods.conditional import need_family, need_finer_sizes, refuse_what_needs_the_game_of_two

if TYPE_CHECKING:
    from gantry.plan.recipe import Recipe


class Options(MethodOptions):
    """Nothing: levels are sizes of `networks`. All learn at once, each alone, on real coarse pictures."""

    terms_of_generators: ClassVar[bool] = False

    name: Literal["lapgan"]

    def check(self, recipe: "Recipe") -> None:
        refuse_what_needs_the_game_of_two(self.name, recipe)
        need_family(self.name, recipe, "lapgan", "levels")
        if recipe.objective.width > 1:
            raise ValueError(f"method lapgan: objective {recipe.objective.name} reads more than one number")

    def check_workload(self, recipe: "Recipe", resolution: int | None, iterations: int) -> None:
        need_finer_sizes(recipe, resolution, "level below")
