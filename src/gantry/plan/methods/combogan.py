"""An encoder and a decoder for each of many domains, any two of which make a translator: ComboGAN."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from gantry.plan.blocks.base import Weight
from gantry.plan.blocks.code_translators import CodeTranslators, MlpCodesNetworks, ResnetHalvesNetworks
from gantry.plan.methods.base import MethodOptions
from gantry.plan.methods.conditional import need_labels
from gantry.plan.methods.pix2pix import check_pool, need_held_out, refuse_what_starts_from_latents

if TYPE_CHECKING:
    from gantry.plan.dataset import DatasetSpec
    from gantry.plan.recipe import Recipe


class Options(MethodOptions):
    """Weights of the summands of the translators' loss, the pool of each domain, and which classes are domains.

    `domains` names classes of the data set, all of them if none is named. Each iteration draws two, and goes from each
    to the other and back. `self_reconstruction` is of E's and G's of one domain, `code` of the code of a translation to
    that of its input, `forward` of a translation to its input, both made smaller (their code suggests 0.2). `cycle: 0`
    is the control.
    """

    translates: ClassVar[bool] = True
    reads_labels: ClassVar[bool] = True
    terms_of_generators: ClassVar[bool] = False
    several_directions: ClassVar[bool] = True

    name: Literal["combogan"]
    domains: tuple[str | int, ...] = ()
    adversarial: Weight = 1.0
    cycle: Weight = 10.0
    self_reconstruction: Weight = 0.0
    code: Weight = 0.0
    forward: Weight = 0.0
    pool: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _there_are_two(self) -> "Options":
        if len(self.domains) == 1 or len(set(self.domains)) < len(self.domains):
            raise ValueError(f"domains {list(self.domains)}: name two classes or more, each once")
        if not self.adversarial:
            raise ValueError(
                "adversarial: 0: without discriminators nothing tells the domains apart, and the identity is best"
            )
        return self

    def check_data(self, recipe: "Recipe", name: str, spec: "DatasetSpec") -> None:
        need_held_out(name, spec)
        need_labels(self.name, name, spec)

    def check(self, recipe: "Recipe") -> None:
        refuse_what_starts_from_latents(self.name, recipe)
        if not isinstance(recipe.networks, CodeTranslators | MlpCodesNetworks | ResnetHalvesNetworks):
            raise ValueError(
                f"method combogan: networks.family {recipe.networks.family} has no codes; take resnet_halves for "
                "images, mlp_codes for points"
            )
        if self.forward and recipe.networks.makes == "points":
            raise ValueError("method.forward is of images, made smaller: take forward away")
        check_pool(self.pool, recipe)
        if recipe.processes > 1:
            raise ValueError(
                "method combogan draws two domains in an iteration, and in one process: set processes: 1"
            )
