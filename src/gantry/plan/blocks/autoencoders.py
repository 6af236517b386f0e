"""`networks` of translators that go by way of a latent: shared codes, content and style, a style beside the input."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from gantry.plan.blocks.base import Positive
from gantry.plan.blocks.translators import (
    ImageTranslators,
    MlpTranslatorNetworks,
    PointTranslators,
    UnetNetworks,
)

Layers = Annotated[int, Field(ge=0)]
Numbers = Annotated[int, Field(ge=0)]


class MlpAutoencodersNetworks(PointTranslators):
    """Encoders and decoders of points of two domains: ReLU MLPs of `depth` layers to and from `code` numbers.

    The encoders' last `shared` layers and the decoders' first are the same. `style` numbers, where there are any, come
    of an encoder of their own and stand beside the code; with `gaussian` it says a mean and a deviation of them.
    """

    family: Literal["mlp_autoencoders"]
    width: Positive = 128
    depth: Annotated[int, Field(ge=2)] = 4
    shared: Layers = 2
    code: Positive = 8
    style: Numbers = 0
    gaussian: bool = False

    @model_validator(mode="after")
    def _something_is_each_domains_own(self) -> "MlpAutoencodersNetworks":
        if self.shared >= self.depth:
            raise ValueError(
                f"shared {self.shared}: of {self.depth} layers one at least is each domain's own; set shared: "
                f"{self.depth - 1} or less"
            )
        return self


class MlpStyleTranslatorNetworks(MlpTranslatorNetworks):
    """An mlp_translator of a point and `style` numbers, and an encoder of points that finds these numbers."""

    family: Literal["mlp_style_translator"]  # type: ignore[assignment]
    style: Positive = 2


class ImageAutoencoders(ImageTranslators):
    """Two domains' encoders to maps of a quarter of the side, and decoders.

    Of residual blocks in each of them `blocks` are the domain's own and `shared` are the same for both.
    """

    blocks: Positive = 3
    shared: Layers = 1
    style: Numbers = 0

    def obstacle_of_translator(self, resolution: int) -> str | None:
        if resolution % 4:
            return f"family {self.family} halves twice, and {resolution} is no multiple of 4: take another resolution"
        return None


class SharedAutoencodersNetworks(ImageAutoencoders):
    """UNIT's pairs (Liu et al. 2017, appendix A): the middle of both autoencoders is the same."""

    family: Literal["shared_autoencoders"]
    style: Literal[0] = 0


class ContentStyleNetworks(ImageAutoencoders):
    """Content maps and a style of `style` numbers. `modulation: adain` is MUNIT's decoder, `joined` is DRIT's.

    Huang et al. 2018, appendix B: the style makes gains and shifts of instance norms, by an MLP, and nothing is shared
    (`shared: 0`). Lee et al. 2018, section 3: the style stands beside the maps of each stage, `shared: 1`, and with
    `gaussian` the encoder says a mean and a deviation of it.
    """

    family: Literal["content_style"]
    blocks: Positive = 4
    shared: Layers = 0
    style: Positive = 8  # type: ignore[assignment]
    modulation: Literal["adain", "joined"] = "adain"
    gaussian: bool = False


class VectorAutoencodersNetworks(ImageTranslators):
    """XGAN's pairs (Royer et al. 2017, figure 3): two convolutions of each domain, two and two dense layers of both."""

    family: Literal["vector_autoencoders"]
    code: Positive = 1024
    style: Literal[0] = 0

    def obstacle_of_translator(self, resolution: int) -> str | None:
        if resolution % 16:
            return f"family {self.family} halves four times, and {resolution} is no multiple of 16: take another one"
        return None


class StyleUnetNetworks(UnetNetworks):
    """BicycleGAN's pair (Zhu et al. 2017): a U-Net that reads `style` numbers in each layer down, and their encoder."""

    family: Literal["style_unet"]  # type: ignore[assignment]
    style: Positive = 8
