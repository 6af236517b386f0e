"""Dist-GAN: an autoencoder beside the game, whose latents keep the distances of the samples."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from gantry.plan.blocks.base import Weight
from gantry.plan.methods.base import MethodOptions
from gantry.plan.methods.conditional import refuse_what_needs_the_game_of_two

if TYPE_CHECKING:
    from gantry.plan.recipe import Recipe


class Options(MethodOptions):
    """λ_r (`distances`), and the share of D's real samples that are reconstructions (`reconstructions`).

    `features`: distances are of what D's last layer reads, or of the samples themselves. `decodes`: the generator,
    too, learns to reconstruct; else the encoder alone.
    """

    phases: ClassVar[tuple[str, ...]] = ("encoder", "discriminator", "generator")

    name: Literal["distgan"]
    distances: Weight = 1.0
    reconstructions: Annotated[float, Field(ge=0, lt=1)] = 0.05
    features: Literal["discriminator", "samples"] = "discriminator"
    decodes: bool = False

    def check(self, recipe: "Recipe") -> None:
        refuse_what_needs_the_game_of_two(self.name, recipe, but=("terms.gradient_penalty",))
        if recipe.objective.name not in ("score_distance", "minimax", "non_saturating"):
            raise ValueError(
                "method distgan: D takes reconstructions for real ones by the standard game's losses: set objective: "
                f"{{name: score_distance}}, or non_saturating (given: {recipe.objective.name})"
            )
