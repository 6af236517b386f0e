"""One translator between all classes or attributes of a set: StarGAN."""

from typing import TYPE_CHECKING, ClassVar, Literal

from gantry.plan.blocks.base import Weight
from gantry.plan.blocks.translators import ResnetBlocksNetworks
from gantry.plan.methods.base import MethodOptions
from gantry.plan.methods.pix2pix import need_held_out, refuse_what_starts_from_latents

if TYPE_CHECKING:
    from gantry.plan.dataset import DatasetSpec
    from gantry.plan.recipe import Recipe


class Options(MethodOptions):
    """λ_cls and λ_rec. `classification: 0` is the control: nothing asks G to look at its label."""

    translates: ClassVar[bool] = True

    name: Literal["stargan"]
    classification: Weight = 1.0
    cycle: Weight = 10.0

    def check_data(self, recipe: "Recipe", name: str, spec: "DatasetSpec") -> None:
        need_held_out(name, spec)

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
