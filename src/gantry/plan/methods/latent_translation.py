"""Translation by way of a latent: UNIT and XGAN (both domains share it), MUNIT and DRIT (content and style)."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from gantry.plan.blocks.base import Positive, Rate, Strict, Weight
from gantry.plan.blocks.translators import ImageTranslators
from gantry.plan.methods.base import MethodOptions
from gantry.plan.methods.pix2pix import need_held_out, refuse_what_starts_from_latents

if TYPE_CHECKING:
    from gantry.plan.dataset import DatasetSpec
    from gantry.plan.recipe import Recipe

AUTOENCODERS = ("mlp_autoencoders", "shared_autoencoders", "content_style", "vector_autoencoders")


class Confusion(Strict):
    """A classifier of domains that sees codes, `updates` steps an iteration, and the weight of the encoders' answer.

    `reversed`: its loss with the other sign (XGAN). `half`: its answer is to be ½ (DRIT).
    """

    weight: Rate = 1.0
    form: Literal["reversed", "half"] = "reversed"
    updates: Positive = 1


class Options(MethodOptions):
    """Weights of the summands of the autoencoders' loss, and where styles of translations come from.

    `domains` is as cyclegan has it. `styles`: `drawn` from N(0, I) (MUNIT), `exchanged` with the other batch's samples,
    or `both` (DRIT); each kind has discriminators of its own, at each of `scales`: the next sees images half as large
    as the one before (three in MUNIT and DRIT). `cycle` goes there and back: with exchanged styles the way back takes
    the style of the other translation (DRIT's cross-cycle). `noise`: codes are means, and N(0, I) is
    added to each that is decoded (UNIT). `code_prior` is of these, `style_prior` of encoded styles. The phase of the
    classifier of codes is called `codes`.
    """

    phases: ClassVar[tuple[str, ...]] = ("discriminator", "codes", "generator")
    translates: ClassVar[bool] = True
    reads_labels: ClassVar[bool] = True
    terms_of_generators: ClassVar[bool] = False

    name: Literal["latent_translation"]
    domains: tuple[str | int, str | int] = (0, 1)
    styles: Literal["drawn", "exchanged", "both"] = "drawn"
    noise: bool = False
    adversarial: Weight = 1.0
    scales: Annotated[int, Field(ge=1, le=3)] = 1
    self_reconstruction: Weight = 10.0
    cycle: Weight = 0.0
    code_consistency: Weight = 0.0
    code_prior: Weight = 0.0
    style_recovery: Weight = 0.0
    style_prior: Weight = 0.0
    mode_seeking: Weight = 0.0
    confusion: Confusion | None = None

    @model_validator(mode="after")
    def _somebody_judges(self) -> "Options":
        if not self.adversarial:
            raise ValueError(
                "adversarial: 0: without discriminators nothing tells the domains apart; give it a weight"
            )
        return self

    def check_data(self, recipe: "Recipe", name: str, spec: "DatasetSpec") -> None:
        need_held_out(name, spec)
        if spec.shrinks > 1:
            raise ValueError(
                f"method latent_translation: the inputs of data set {name} are {spec.shrinks} times smaller than its "
                "images, and both domains have codes of one kind; take method pix2pix, or another degradation"
            )

    def check_workload(self, recipe: "Recipe", resolution: int | None, iterations: int) -> None:
        if resolution is None or not isinstance(recipe.networks, ImageTranslators) or self.scales == 1:
            return
        smallest = resolution >> (self.scales - 1)
        if (obstacle := recipe.networks.obstacle_of_patches(smallest)) is not None:
            raise ValueError(
                f"method.scales: the last of {self.scales} sees {smallest}×{smallest} pixels: {obstacle}"
            )

    def check(self, recipe: "Recipe") -> None:
        refuse_what_starts_from_latents(self.name, recipe)
        networks = recipe.networks
        if networks.family not in AUTOENCODERS:
            named = ("code_consistency", "code_prior", "confusion", "self_reconstruction")
            key = next((option for option in named if getattr(self, option)), "cycle")
            raise ValueError(
                f"method.{key}: family {networks.family} has no codes; take {', '.join(AUTOENCODERS[:-1])} or "
                f"{AUTOENCODERS[-1]}, or method cyclegan"
            )
        if self.scales > 1 and networks.makes == "points":
            raise ValueError("method.scales: points have one scale: take scales away")
        style = getattr(networks, "style", 0)
        of_styles = {
            "styles": self.styles != "drawn",
            "style_recovery": self.style_recovery > 0,
            "style_prior": self.style_prior > 0,
            "mode_seeking": self.mode_seeking > 0,
        }
        for key in (key for key, used in of_styles.items() if used and not style):
            raise ValueError(
                f"method.{key}: family {networks.family} has no styles here; take content_style (images) or "
                f"mlp_autoencoders with style: 2 (points), or take {key} away"
            )
        if self.styles == "exchanged" and (self.style_recovery or self.mode_seeking):
            key = "style_recovery" if self.style_recovery else "mode_seeking"
            raise ValueError(f"method.{key} is of drawn styles: set styles: both, or take {key} away")
        if self.style_prior and not getattr(networks, "gaussian", False):
            raise ValueError("method.style_prior is of styles with a deviation: set networks.gaussian: true")
        told = {*recipe.optimiser.lr, *recipe.optimiser.schedules, *recipe.batch_multiples}
        if "codes" in told and self.confusion is None:
            raise ValueError(
                "phase codes is the classifier's of method.confusion: give it, or take the phase away"
            )
