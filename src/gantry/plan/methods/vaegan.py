"""VAEGAN: a variational autoencoder whose error is measured in the discriminator's features."""

from typing import TYPE_CHECKING, ClassVar, Literal

from gantry.plan.blocks.base import Rate, Weight
from gantry.plan.methods.base import MethodOptions
from gantry.plan.methods.conditional import need_dense_end, refuse_what_needs_the_game_of_two

if TYPE_CHECKING:
    from gantry.plan.recipe import Recipe


class Options(MethodOptions):
    """γ, the weight of the likelihood in the decoder's loss, and what the discriminator sees.

    `features: pixels` measures the error in the samples themselves (a plain VAE beside a GAN). `reconstructions`:
    D sees them too, as generated. `classes: 3`: D tells real, reconstructed and generated apart, and both networks
    push their samples towards real. `latent_cycle` weighs ‖z − E(G(z))‖², in both networks' losses (BiVAE).
    """

    terms_of_generators: ClassVar[bool] = False

    name: Literal["vaegan"]
    gamma: Rate = 1.0e-2
    features: Literal["discriminator", "pixels"] = "discriminator"
    reconstructions: bool = True
    classes: Literal[2, 3] = 2
    latent_cycle: Weight = 0.0

    def check(self, recipe: "Recipe") -> None:
        refuse_what_needs_the_game_of_two(self.name, recipe)
        need_dense_end(self.name, recipe)
        if self.classes == 3 and recipe.objective.name != "non_saturating":
            raise ValueError(
                "method.classes: 3 is a softmax over three classes in the place of an objective: set objective: "
                f"{{name: non_saturating}} (given: {recipe.objective.name})"
            )
        if self.classes == 3 and recipe.terms != type(recipe.terms)():
            raise ValueError("method.classes: 3 has losses of its own: take terms away")
        if recipe.objective.width > 1:
            raise ValueError(f"method vaegan: objective {recipe.objective.name} reads more than one number")
