"""BiGAN and ALI: an encoder beside the generator, and a discriminator of pairs (x, z)."""

from typing import TYPE_CHECKING, ClassVar, Literal

from gantry.plan.blocks.base import Positive
from gantry.plan.methods.base import MethodOptions
from gantry.plan.methods.conditional import need_dense_end, refuse_what_needs_the_game_of_two

if TYPE_CHECKING:
    from gantry.plan.recipe import Recipe


class Options(MethodOptions):
    """Whether E(x) is one z (BiGAN) or a Gaussian of z (ALI), and where z enters D.

    `planes`: z beside the sample's coordinates or channels; `joined`: an embedding of `width` beside D's features.
    """

    terms_of_generators: ClassVar[bool] = False

    name: Literal["joint"]
    encoder: Literal["deterministic", "gaussian"] = "gaussian"
    discriminator: Literal["planes", "joined"] = "joined"
    width: Positive = 128

    def check(self, recipe: "Recipe") -> None:
        refuse_what_needs_the_game_of_two(self.name, recipe)
        need_dense_end(self.name, recipe)
        if recipe.objective.width > 1:
            raise ValueError(f"method joint: objective {recipe.objective.name} reads more than one number")
