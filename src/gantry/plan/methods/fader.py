"""An autoencoder whose code does not tell the labels, which its decoder is told: Fader networks."""

from typing import TYPE_CHECKING, ClassVar, Literal

from gantry.plan.blocks.base import Weight
from gantry.plan.blocks.code_translators import FaderNetworks, MlpCodesNetworks
from gantry.plan.blocks.schedules import Place, place_in
from gantry.plan.methods.base import MethodOptions
from gantry.plan.methods.conditional import need_labels
from gantry.plan.methods.pix2pix import need_held_out, refuse_what_starts_from_latents

if TYPE_CHECKING:
    from gantry.plan.dataset import DatasetSpec
    from gantry.plan.recipe import Recipe


class Options(MethodOptions):
    """λ, which rises from 0 to `confusion` in `rise` iterations, or that share of the run; 0 is the control.

    `exclusive` names attributes of which a sample has one at most: whoever is asked in scoring to have one is asked to
    lose the others.
    """

    translates: ClassVar[bool] = True
    asks_for_labels: ClassVar[bool] = True
    reads_labels: ClassVar[bool] = True

    name: Literal["fader"]
    confusion: Weight = 1.0e-4
    rise: Place = 500_000
    exclusive: tuple[str, ...] = ()

    def until(self, iterations: int) -> "Options":
        if isinstance(self.rise, int):
            return self
        return self.model_copy(update={"rise": place_in(self.rise, iterations)})

    def check_data(self, recipe: "Recipe", name: str, spec: "DatasetSpec") -> None:
        need_held_out(name, spec)
        need_labels(self.name, name, spec, only_classes=False)

    def check(self, recipe: "Recipe") -> None:
        refuse_what_starts_from_latents(self.name, recipe)
        if not isinstance(recipe.networks, FaderNetworks | MlpCodesNetworks):
            raise ValueError(
                f"method fader: networks.family {recipe.networks.family} has no code for a classifier to read; take "
                "family fader for images, mlp_codes for points"
            )
        if recipe.objective.name != "non_saturating":
            raise ValueError(
                "method fader: what is read off codes is held against labels by cross-entropy: set objective: {name: "
                f"non_saturating}} (given: {recipe.objective.name})"
            )
        if recipe.terms.gradient_penalty.weight:
            raise ValueError("method fader: nobody looks at samples: take terms.gradient_penalty away")
