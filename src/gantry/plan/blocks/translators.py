"""`networks` of methods that translate: a translator, input → output, and the discriminator that it plays against."""

from typing import Annotated, Literal

from pydantic import Field

from gantry.plan.blocks.base import Pair, Positive

Norm = Literal["instance", "batch"]


class PointTranslators(Pair):
    """What translators of points have."""

    translates = True


class MlpTranslatorNetworks(PointTranslators):
    """A ReLU MLP that maps points to points, without any norm, against the maxout MLP of family mlp."""

    family: Literal["mlp_translator"]
    width: Positive = 128
    depth: Positive = 3


class ImageTranslators(Pair):
    """What translators of images have; `patches` is n, the layers of stride 2 of the patch discriminator.

    Isola et al. 2017, 6.1.2: k4s2-64, k4s2-128, … (n in all), k4s1-64·min(2ⁿ, 8), k4s1-1, of `patch_width` in place
    of 64; it sees 16, 34, 70, 142, 286 pixels for n = 1 … 5, and single pixels for 0.
    """

    makes = "images"
    translates = True
    width: Positive = 64
    norm: Norm = "instance"
    patches: Annotated[int, Field(ge=0, le=5)] = 3
    patch_width: Positive = 64

    def obstacle(self, resolution: int | None) -> str | None:
        """Return why these networks cannot be built for images of `resolution`, with the remedy; None if they can."""
        if resolution is None:
            return None
        return self.obstacle_of_patches(resolution) or self.obstacle_of_translator(resolution)

    def obstacle_of_patches(self, resolution: int) -> str | None:
        """Return what stands in the patch discriminator's way, where it sees images of `resolution`."""
        last = (resolution >> self.patches) - 1  # what the layer of stride 1 leaves
        if self.patches and (last < 2 or resolution >> self.patches < 2):
            fewer = max(n for n in range(self.patches) if (resolution >> n) > 2)
            return (
                f"patches {self.patches}: {self.patches} halvings of {resolution} leave {max(last, 0)}×{max(last, 0)} "
                f"to the patch discriminator's last norm, and instance norm of one place gives 0; set patches: {fewer}"
            )
        return None

    def obstacle_of_translator(self, resolution: int) -> str | None:
        """Return what stands in the translator's own way."""
        return None


class UnetNetworks(ImageTranslators):
    """The U-Net of pix2pix (Isola et al. 2017, 6.1.1): `halvings` down, as many up, skips joined to what comes up.

    None halves down to 1×1. `dropout` ½ stands behind the first three of the way up, in training alone.
    `skips: false` is the encoder–decoder, its control.
    """

    family: Literal["unet"]
    halvings: Annotated[int, Field(ge=2, le=8)] | None = None
    dropout: bool = True
    skips: bool = True

    def halvings_of(self, resolution: int) -> int:
        """Return the number of halvings of images of `resolution`."""
        return self.halvings or resolution.bit_length() - 1

    def obstacle_of_translator(self, resolution: int) -> str | None:
        if resolution % (1 << self.halvings_of(resolution)):
            return (
                f"halvings {self.halvings}: {resolution} is not a multiple of 2^{self.halvings}; set halvings: "
                f"{(resolution & -resolution).bit_length() - 1}"
            )
        return None


class ResnetBlocksNetworks(ImageTranslators):
    """The translator of CycleGAN (Zhu et al. 2017, appendix 7.2): two halvings, `blocks` residual blocks, two up.

    As published 6 blocks for 128×128 and 9 above.
    """

    family: Literal["resnet_blocks"]
    blocks: Positive = 6
    padding: Literal["reflection", "zeros"] = "reflection"


class SrResnetNetworks(ImageTranslators):
    """SRResNet (Ledig et al. 2017, figure 4) for inputs `factor` times smaller, against SRGAN's discriminator.

    That discriminator sees whole images; `patches` and `patch_width` are not used. BatchNorm as published.
    """

    family: Literal["sr_resnet"]
    norm: Norm = "batch"
    blocks: Positive = 16
    factor: Literal[2, 4] = 4
    patches: Annotated[int, Field(ge=0, le=5)] = 0


class LabelResnetNetworks(ImageTranslators):
    """StarGAN's pair (Choi et al. 2018, tables 4 and 5): label planes beside the image, a head of labels in D.

    `halvings` of D; None leaves 2×2. `blocks` residual blocks; instance norm with weights, zero padding, no norm in D.
    """

    family: Literal["label_resnet"]
    blocks: Positive = 6
    halvings: Annotated[int, Field(ge=1, le=7)] | None = None

    def halvings_of(self, resolution: int) -> int:
        """Return the number of D's halvings of images of `resolution`."""
        return self.halvings or resolution.bit_length() - 2

    def obstacle(self, resolution: int | None) -> str | None:
        if resolution is not None and resolution % (1 << self.halvings_of(resolution)):
            return (
                f"halvings {self.halvings}: {resolution} is not a multiple of 2^{self.halvings}; set halvings: "
                f"{resolution.bit_length() - 2}"
            )
        return None
