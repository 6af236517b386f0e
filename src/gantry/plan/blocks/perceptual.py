"""A distance of features of a network that stands still, which recipes of translators may ask for."""

from typing import Literal

from pydantic import model_validator

from gantry.errors import suggestion
from gantry.plan.blocks.base import Rate, Strict, Weight

# Convolutions of each of VGG19's stages: Simonyan and Zisserman 2015, table 1, configuration E.
VGG19_STAGES = (2, 2, 4, 4, 4)
DEPTHS: dict[str, tuple[str, ...]] = {
    "embedded": ("relu1", "relu2", "relu3"),
    "vgg19": tuple(f"relu{s}_{n}" for s, count in enumerate(VGG19_STAGES, 1) for n in range(1, count + 1)),
}
# Wang et al. 2018, their code: each depth half as much as the next, the last but one a quarter.
USUAL: dict[str, dict[str, float]] = {
    "embedded": {"relu1": 1 / 8, "relu2": 1 / 4, "relu3": 1.0},
    "vgg19": {"relu1_1": 1 / 32, "relu2_1": 1 / 16, "relu3_1": 1 / 8, "relu4_1": 1 / 4, "relu5_1": 1.0},
}


class Perceptual(Strict):
    """Distance of features of a fixed network, of a translation and of the truth. Johnson et al. 2016.

    `network`: the workflow's own classifier, `embedded`; or `vgg19`, whose weights are yours: `weights: {vgg19: FILE}`
    in config.yaml. `depths` weighs outputs of its layers, after ReLU; none: Pix2pixHD's five, or all three of
    `embedded`. SRGAN has `{relu5_4: 0.00615}` (1/12.75²) and l2, DeblurGAN `{relu3_3: 1}` and l2.
    """

    weight: Weight = 0.0
    network: Literal["embedded", "vgg19"] = "embedded"
    depths: dict[str, Rate] = {}
    distance: Literal["l1", "l2"] = "l1"

    @model_validator(mode="after")
    def _network_has_these(self) -> "Perceptual":
        for name in self.depths:
            known = DEPTHS[self.network]
            if name not in known:
                raise ValueError(
                    f"depths.{name}: network {self.network} has none of this name{suggestion(name, known)}; it has "
                    f"{', '.join(known)}"
                )
        return self

    @property
    def weighed(self) -> dict[str, float]:
        """The weights of the depths, from the image on."""
        given = self.depths or USUAL[self.network]
        return {name: given[name] for name in DEPTHS[self.network] if name in given}

    @property
    def smallest(self) -> int:
        """Pixels a side that an image needs for its deepest features to be one pixel at least."""
        deepest = list(self.weighed)[-1]
        # VGG19 halves before each stage but the first; the strides of the other are padded.
        return 2 ** (int(deepest[4]) - 1) if self.network == "vgg19" else 1
