"""A translator that learns from pairs: Pix2pix, Pix2pixHD's scales, SRGAN, DeblurGAN, inpainting."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from gantry.plan.blocks.base import Weight
from gantry.plan.blocks.perceptual import Perceptual
from gantry.plan.blocks.players import Latent
from gantry.plan.blocks.schedules import Place, place_in
from gantry.plan.blocks.translators import ImageTranslators
from gantry.plan.methods.base import MethodOptions

if TYPE_CHECKING:
    from gantry.plan.dataset import DatasetSpec
    from gantry.plan.recipe import Recipe

Distance = Literal["l1", "l2"]


class Options(MethodOptions):
    """Weights of the summands of G's loss, and what D sees.

    `sees: pair` gives D the input beside the output, `output` the output alone. `adversarial: 0` leaves D out: what
    remains is a regression, the control. `scales`: so many discriminators, each sees the image half as large as the
    one before (Pix2pixHD). `warm_up`: iterations without D at the start, or their share of the run (SRGAN
    begins with SRResNet). `coarse`: so long the coarse part of family coarse_to_fine learns alone, at half the size
    (Pix2pixHD). `skip`: G's output is added to its input and clipped (DeblurGAN); `only_hole`: outside of the square in
    its middle the input stays as it is (inpainting). `output_adversarial` is the weight of one more discriminator, that
    sees outputs alone; `mismatched`: D sees the input beside another's target too, as generated (both PLDT).
    `perceptual` adds a distance of features of a network that is trained elsewhere (Pix2pixHD, SRGAN, DeblurGAN).
    """

    translates: ClassVar[bool] = True
    terms_of_generators: ClassVar[bool] = False

    name: Literal["pix2pix"]
    sees: Literal["pair", "output"] = "pair"
    adversarial: Weight = 1.0
    match: Weight = 100.0
    distance: Distance = "l1"
    feature_matching: Weight = 0.0
    total_variation: Weight = 0.0
    scales: Annotated[int, Field(ge=1, le=3)] = 1
    warm_up: Place = 0
    coarse: Place = 0
    output_adversarial: Weight = 0.0
    mismatched: bool = False
    skip: bool = False
    only_hole: bool = False
    perceptual: Perceptual = Perceptual()

    @property
    def fixed_network(self) -> str | None:
        return self.perceptual.network if self.perceptual.weight else None

    @model_validator(mode="after")
    def _there_is_something_to_learn_from(self) -> "Options":
        if not (self.adversarial or self.match or self.output_adversarial or self.perceptual.weight):
            raise ValueError(
                "adversarial and match are both 0: nothing is left to learn from; give one a weight"
            )
        if not self.adversarial and (self.feature_matching or self.warm_up):
            idle = "feature_matching" if self.feature_matching else "warm_up"
            raise ValueError(f"{idle}: adversarial: 0 leaves the discriminator out; take {idle} away")
        if self.mismatched and not (self.adversarial and self.sees == "pair"):
            raise ValueError(
                "mismatched: it is a pair that may be wrong: set sees: pair, and adversarial above 0"
            )
        if self.coarse and (self.warm_up or self.skip or self.only_hole):
            idle = "warm_up" if self.warm_up else "skip" if self.skip else "only_hole"
            raise ValueError(f"coarse: {idle} does not go with it; take {idle} away")
        if self.warm_up and not (self.match or self.perceptual.weight):
            raise ValueError(
                "warm_up: without D there is match alone, and its weight is 0; take warm_up away"
            )
        return self

    def until(self, iterations: int) -> "Options":
        if isinstance(self.warm_up, int) and isinstance(self.coarse, int):
            return self
        places = {key: place_in(getattr(self, key), iterations) for key in ("warm_up", "coarse")}
        return self.model_copy(update=places)

    def check_data(self, recipe: "Recipe", name: str, spec: "DatasetSpec") -> None:
        if not spec.has_pairs:
            raise ValueError(
                f"method.match: data set {name} has no pairs; give it inputs:, or take method cyclegan"
            )
        need_held_out(name, spec)
        factor = getattr(recipe.networks, "factor", 1)
        if factor != spec.shrinks:
            raise ValueError(
                f"networks: family {recipe.networks.family} enlarges {factor} times, and the inputs of data set {name} "
                f"are {spec.shrinks} times smaller than its images: take "
                + (f"sr_resnet with factor: {spec.shrinks}" if spec.shrinks > 1 else "unet or resnet_blocks")
            )

    def check_workload(self, recipe: "Recipe", resolution: int | None, iterations: int) -> None:
        seen = (resolution or 0) // (2 if self.coarse else 1)
        if self.perceptual.weight and resolution is not None and seen < self.perceptual.smallest:
            raise ValueError(
                f"method.perceptual.depths: {list(self.perceptual.weighed)[-1]} needs {self.perceptual.smallest}×"
                f"{self.perceptual.smallest} pixels at least, and images are {seen}×{seen}: take depths before it"
            )
        if resolution is None or not isinstance(recipe.networks, ImageTranslators) or not self.coarse:
            return
        smallest = resolution >> self.scales  # half as large, and halved for every scale but the first
        if (obstacle := recipe.networks.obstacle_of_patches(smallest)) is not None:
            raise ValueError(f"method.coarse: the last scale sees {smallest}×{smallest} pixels: {obstacle}")

    def check(self, recipe: "Recipe") -> None:
        refuse_what_starts_from_latents(self.name, recipe)
        if recipe.networks.family == "sr_resnet" and self.sees == "pair" and self.adversarial:
            raise ValueError(
                "method.sees: pair joins input and output, which have different sizes with family sr_resnet: set sees: "
                "output"
            )
        if self.coarse and recipe.networks.family != "coarse_to_fine":
            raise ValueError(
                f"method.coarse: networks.family {recipe.networks.family} has no coarse part; take coarse_to_fine, or "
                "coarse away"
            )
        if self.mismatched and recipe.batch_size < 2:
            raise ValueError(
                "method.mismatched: another's target is of the same batch: set batch_size: 2 or more"
            )
        of_images = self.scales > 1 or self.total_variation or self.only_hole or self.perceptual.weight
        if of_images and recipe.networks.makes == "points":
            raise ValueError(
                "method pix2pix: scales, total_variation, only_hole and perceptual are of images; take them away"
            )


def need_held_out(name: str, spec: "DatasetSpec") -> None:
    """Raise ValueError for a data set of which nothing is held out: what would be translated then?"""
    if spec.held_out is None:
        raise ValueError(
            f"translations are of held-out samples, and data set {name} holds none out: give it held_out: 500, say"
        )


def check_pool(pool: int, recipe: "Recipe") -> None:
    """Refuse a pool of earlier images that batches do not fill evenly."""
    if pool % recipe.batch_size:
        raise ValueError(f"method.pool {pool} is not a multiple of batch_size {recipe.batch_size}")
    if recipe.batch_multiples.get("discriminator", 1) > 1 and pool:
        raise ValueError("method.pool goes with batches of one size: take batch_multiples.discriminator away")


def refuse_what_starts_from_latents(name: str, recipe: "Recipe") -> None:
    """Raise ValueError for what belongs to generators that start from latents."""
    if not recipe.networks.translates:
        raise ValueError(
            f"method {name}: networks.family {recipe.networks.family} starts from latents; take unet, resnet_blocks or "
            "sr_resnet for images, mlp_translator for points"
        )
    terms = recipe.terms
    idle = {
        "generators": recipe.generators > 1,
        "latent": recipe.latent != Latent(),
        "pack": recipe.pack > 1,
        "unroll": recipe.unroll > 0,
        "terms.logit_agreement": terms.logit_agreement > 0,
        "terms.sample_spread": terms.sample_spread > 0,
        "terms.feature_matching (method.feature_matching is a translator's)": terms.feature_matching > 0,
        "terms.entropy_distance": terms.entropy_distance.weight > 0,
        "objective": recipe.objective.name in ("gmmn", "d2gan", "energy", "began", "mmd_gan"),
    }
    for key in (key for key, used in idle.items() if used):
        raise ValueError(f"method {name}: {key} is of generators that start from latents: take it away")
    if recipe.objective.width > 1:
        raise ValueError(
            f"method {name}: objective {recipe.objective.name} reads {recipe.objective.width} numbers of each logit, "
            "and a translator's discriminator says one: take another objective"
        )
