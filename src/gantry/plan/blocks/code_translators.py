"""`networks` of translators in two parts: a code between encoder and decoder, or a coarse part and a fine one."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from gantry.plan.blocks.base import Positive
from gantry.plan.blocks.translators import ImageTranslators, Norm, PointTranslators


class MlpCodesNetworks(PointTranslators):
    """Points → a code of `code` numbers → points: two ReLU MLPs, against the maxout MLP of family mlp.

    A classifier of codes, where a method has one, is an MLP of the same size.
    """

    family: Literal["mlp_codes"]
    width: Positive = 128
    depth: Positive = 3
    code: Positive = 8


class CodeTranslators(ImageTranslators):
    """Convolutions k4s2 down to the code, as many transposed ones up; `halvings` of them, None leaving 4×4.

    Labels, −1 or 1, are joined as planes to the code and to what comes out of the first `injections` layers of the way
    up, and so are the encoder's own features to what comes out of the first `shortcuts` ones. BatchNorm as published.
    """

    has_codes: ClassVar[bool] = True
    deepest: ClassVar[int] = 5

    norm: Norm = "batch"
    halvings: Annotated[int, Field(ge=1, le=8)] | None = None

    def halvings_of(self, resolution: int) -> int:
        """Return the number of halvings of images of `resolution`."""
        return self.halvings or min(self.deepest, resolution.bit_length() - 3)

    def obstacle(self, resolution: int | None) -> str | None:
        if resolution is None:
            return None
        halvings, most = self.halvings_of(resolution), (resolution & -resolution).bit_length() - 1
        if resolution % (1 << halvings):
            return (
                f"halvings {halvings}: {resolution} is not a multiple of 2^{halvings}; set halvings: {most}"
            )
        if resolution >> halvings < 2:
            return (
                f"{halvings} halvings of {resolution} leave 1×1, where instance norm gives 0; set halvings: "
                f"{resolution.bit_length() - 2}"
            )
        return None


class AttganNetworks(CodeTranslators):
    """AttGAN's pair (He et al. 2019, table 1): `width` doubles with every halving up to 16 times.

    D: as many halvings, instance norm with weights, and for logits and labels each a dense layer of 16·`width`.
    """

    family: Literal["attgan"]
    shortcuts: Annotated[int, Field(ge=0)] = 1
    injections: Annotated[int, Field(ge=0)] = 1


class FaderNetworks(CodeTranslators):
    """The Fader networks (Lample et al. 2017, section 4.1): labels reach every layer of the way up; no shortcut.

    The classifier of codes goes on halving to 1×1, with `dropout`, to dense layers of 16·`width` and of the labels.
    The discriminator of methods that have one is that of patches, which the paper has not.
    """

    deepest: ClassVar[int] = 6

    family: Literal["fader"]
    width: Positive = 32
    shortcuts: Annotated[int, Field(ge=0)] = 0
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3

    def obstacle(self, resolution: int | None) -> str | None:
        own = super().obstacle(resolution)
        return own if own or resolution is None else self.obstacle_of_patches(resolution)


class ResnetHalvesNetworks(ImageTranslators):
    """ComboGAN's encoder and decoder (Anoosheh et al. 2018, section 3.2): `resnet_blocks` in halves, with PReLU.

    Of `blocks`, half, rounded down, are the encoder's. Against the patch discriminator.
    """

    family: Literal["resnet_halves"]
    blocks: Positive = 9


class CoarseToFineNetworks(ImageTranslators):
    """Pix2pixHD's generator (Wang et al. 2018, section 3.2) against the patch discriminator.

    The coarse part, at half the size, has `halvings` of its own and `blocks` of width·2^halvings channels; the fine one
    half of `width`, and `fine_blocks`.
    """

    family: Literal["coarse_to_fine"]
    halvings: Annotated[int, Field(ge=1, le=6)] = 4
    blocks: Positive = 9
    fine_blocks: Positive = 3

    def obstacle_of_translator(self, resolution: int) -> str | None:
        least = 4 << self.halvings  # pixels: halved once, and so often again, 2×2 are left
        if self.width % 2:
            return f"width {self.width}: the fine part has half of it; set width: {self.width + 1}"
        if resolution % (2 << self.halvings) or resolution < least:
            most = max(1, (resolution & -resolution).bit_length() - 3)
            return (
                f"halvings {self.halvings}: the coarse part halves {resolution}/2 so often, to 2×2 at least, since "
                f"instance norm of one place gives 0; set halvings: {most}"
            )
        return None
