"""One translator between all classes or attributes of a set: StarGAN, AttGAN."""

from typing import TYPE_CHECKING, ClassVar, Literal

from gantry.plan.blocks.base import Rate, Weight
from gantry.plan.blocks.translators import ResnetBlocksNetworks
from gantry.plan.methods.base import MethodOptions
from gantry.plan.methods.conditional import need_labels
from gantry.plan.methods.pix2pix import need_held_out, refuse_what_starts_from_latents

if TYPE_CHECKING:
    from gantry.plan.dataset import DatasetSpec
    from gantry.plan.recipe import Recipe


class Options(MethodOptions):
    """λ_cls, λ_rec and λ_self. `classification: 0` is the control: nothing asks G to look at its label.

    `discriminator_classification` is D's own λ_cls; null: the same. `self_reconstruction` is AttGAN's summand, and
    `cycle` StarGAN's. `exclusive` names attributes of which a sample has one at most (colours of hair): whoever is
    asked in scoring to have one is asked to lose the others.
    """

    translates: ClassVar[bool] = True
    asks_for_labels: ClassVar[bool] = True
    reads_labels: ClassVar[bool] = True

    name: Literal["stargan"]
    classification: Weight = 1.0
    discriminator_classification: Rate | None = None
    cycle: Weight = 10.0
    self_reconstruction: Weight = 0.0
    exclusive: tuple[str, ...] = ()

    def check_data(self, recipe: "Recipe", name: str, spec: "DatasetSpec") -> None:
        need_held_out(name, spec)
        need_labels(self.name, name, spec, only_classes=False)

    def check(self, recipe: "Recipe") -> None:
        refuse_what_starts_from_latents(self.name, recipe)
        networks = recipe.networks
        if networks.family == "sr_resnet":
            raise ValueError("method stargan keeps the size of images: take family label_resnet")
        if isinstance(networks, ResnetBlocksNetworks) and networks.padding == "reflection":
            raise ValueError(
                "networks.padding: instance norm removes what label planes add after reflection padding; set padding: "
                "zeros, or take family label_resnet"
            )
