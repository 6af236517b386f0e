"""A translator with styles that learns from pairs: BicycleGAN."""

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import model_validator

from gantry.plan.blocks.base import Weight
from gantry.plan.methods.base import MethodOptions
from gantry.plan.methods.pix2pix import need_held_out, refuse_what_starts_from_latents

if TYPE_CHECKING:
    from gantry.plan.dataset import DatasetSpec
    from gantry.plan.recipe import Recipe


class Options(MethodOptions):
    """Weights of the summands of G's and E's loss. Half of a batch has encoded styles, half has drawn ones.

    `match` and `style_prior` are of the first half, `style_recovery` of the second, each half has a discriminator of
    its own. `style_recovery: 0` is the control: nothing asks G to heed a drawn style. `sees: pair` gives D the input
    beside the output.
    """

    translates: ClassVar[bool] = True
    terms_of_generators: ClassVar[bool] = False

    name: Literal["bicyclegan"]
    sees: Literal["pair", "output"] = "output"
    adversarial: Weight = 1.0
    match: Weight = 10.0
    style_prior: Weight = 0.01
    style_recovery: Weight = 0.5

    @model_validator(mode="after")
    def _somebody_judges(self) -> "Options":
        if not self.adversarial:
            raise ValueError(
                "adversarial: 0: a regression has no use for styles; give it a weight, or take pix2pix"
            )
        return self

    def check_data(self, recipe: "Recipe", name: str, spec: "DatasetSpec") -> None:
        if not spec.has_pairs:
            raise ValueError(
                f"method.match: data set {name} has no pairs; give it inputs:, or take method latent_translation"
            )
        need_held_out(name, spec)
        if spec.shrinks > 1:
            raise ValueError(
                f"networks: family {recipe.networks.family} keeps the size of images, and the inputs of data set "
                f"{name} are {spec.shrinks} times smaller: take method pix2pix with sr_resnet, or another degradation"
            )

    def check(self, recipe: "Recipe") -> None:
        refuse_what_starts_from_latents(self.name, recipe)
        if recipe.networks.family not in ("mlp_style_translator", "style_unet"):
            raise ValueError(
                f"method.style_recovery: family {recipe.networks.family} reads no style beside its input; take "
                "style_unet (images) or mlp_style_translator (points)"
            )
        if recipe.batch_size % (2 * recipe.processes):
            raise ValueError(
                f"batch_size {recipe.batch_size}: half of a batch has encoded styles and half has drawn ones; take an "
                "even number for each process"
            )
