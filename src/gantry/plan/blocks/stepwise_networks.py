"""`networks` whose images come in several sizes, or stroke by stroke: growing, refined, drawn; by family."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from gantry.plan.blocks.base import DensePair, Positive, Rate, Weight
from gantry.plan.blocks.image_networks import ImageNetworks, doublings
from gantry.plan.blocks.layers import Initialisation


class GrowingNetworks(ImageNetworks, DensePair):
    """What growing pairs have: whole, or grown from 4×4 by method `growing`.

    At 4·2^(s−1) pixels there are base/2^s channels, at most `width`. `group` samples, or a whole smaller batch, are
    compared in D's map of deviations.
    """

    resolutions: ClassVar[tuple[int, ...]] = (32, 64, 128, 256)
    grows = True

    width: Positive = 512
    base: Positive = 8192
    group: Annotated[int, Field(ge=2)] = 4

    @model_validator(mode="after")
    def _weights_start_as_they_are_scaled(self) -> "GrowingNetworks":
        if self.initialisation != Initialisation():
            raise ValueError(
                f"initialisation: the weights of {self.family} start as N(0, 1) and are scaled in every pass: take it "
                "away"
            )
        return self


class PgganNetworks(GrowingNetworks):
    """PGGAN's pair (Karras et al. 2018, table 2)."""

    family: Literal["pggan"]


class StyleganNetworks(GrowingNetworks):
    """StyleGAN's pair (Karras et al. 2019): w of `mapping_width` numbers by `mapping_depth` layers, and styles of w.

    w is `width` wide unless told otherwise; the authors' is as wide as their widest layers and as z, 512.
    `mapping_rate` times as fast the mapping learns. `constant`: the first features are learned; else a dense layer
    makes them of w. `noise`: a map a layer. `mixing`: with this probability a batch has two w's. `mean_decay` is that
    of the mean of w.
    """

    family: Literal["stylegan"]
    mapping_depth: Annotated[int, Field(ge=0)] = 8
    mapping_width: Positive | None = None
    mapping_rate: Rate = 0.01
    constant: bool = True
    noise: bool = True
    mixing: Annotated[float, Field(ge=0, le=1)] = 0.9
    mean_decay: Annotated[float, Field(ge=0, lt=1)] = 0.995


class OwnStart(ImageNetworks):
    """Pairs whose weights start as their source has them, layer by layer: there is nothing to choose."""

    @model_validator(mode="after")
    def _layers_start_as_the_source_has_them(self) -> "OwnStart":
        if self.initialisation != Initialisation():
            raise ValueError(f"initialisation: family {self.family} has none to choose: take it away")
        return self


class LapganNetworks(OwnStart, DensePair):
    """LAPGAN's pairs (Denton et al. 2015): dense ones at `smallest` pixels a side, convolutions at every size above.

    `width` is the number of channels of the latter, `base_width` that of the former's generator; their
    discriminator is half as wide.
    """

    resolutions: ClassVar[tuple[int, ...]] = (32, 64, 128, 256)

    family: Literal["lapgan"]
    width: Positive = 64
    base_width: Positive = 1200
    smallest: Literal[4, 8, 16] = 8
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5


class StackganNetworks(OwnStart):
    """StackGAN's and StackGAN++'s pairs (Zhang et al. 2017, 2018): images of `smallest` pixels a side, then finer ones.

    `width` is the number of channels of the features of the former, and of D's first layer.
    """

    resolutions: ClassVar[tuple[int, ...]] = (32, 64, 128, 256)

    family: Literal["stackgan"]
    width: Positive = 64
    smallest: Literal[8, 16, 32, 64] = 16


class SinganNetworks(OwnStart):
    """SinGAN's pairs (Rott Shaham et al. 2019): five 3×3 convolutions each, at every scale.

    `width` channels, doubled every 4 scales up to `widest`.
    """

    resolutions: ClassVar[tuple[int, ...]] = (32, 64, 128, 256)

    family: Literal["singan"]
    width: Positive = 32
    widest: Positive = 128


class GranNetworks(OwnStart, DensePair):
    """GRAN's generator (Im et al. 2016), which draws in `steps` steps, against a DCGAN's discriminator.

    Each step has its share of the latent. `width` is the number of channels next to the image.
    """

    resolutions: ClassVar[tuple[int, ...]] = (32, 64, 128, 256)

    family: Literal["gran"]
    width: Positive = 32
    steps: Annotated[int, Field(ge=1, le=20)] = 5

    def inner_norms(self, resolution: int | None) -> int:
        return 4 + 2 * doublings(resolution)


class LrganNetworks(OwnStart, DensePair):
    """LR-GAN's generator (Yang et al. 2017): a background and `steps` − 1 foregrounds, against a DCGAN's discriminator.

    Each step has its share of the latent. `width` is the number of channels next to the image, of foregrounds; the
    background has half. Foregrounds are made smaller by a factor within `scales`, and moved by at most `shift` of half
    a side.
    """

    resolutions: ClassVar[tuple[int, ...]] = (32, 64, 128, 256)

    family: Literal["lrgan"]
    width: Positive = 64
    steps: Annotated[int, Field(ge=1, le=6)] = 2
    scales: tuple[Rate, Rate] = (1.2, 2.0)
    shift: Weight = 1.0

    def inner_norms(self, resolution: int | None) -> int:
        return 5 + 2 * doublings(resolution)

    @model_validator(mode="after")
    def _foregrounds_do_not_grow(self) -> "LrganNetworks":
        smallest, largest = self.scales
        if not 1 <= smallest <= largest:
            raise ValueError(
                f"scales: foregrounds are made smaller by a factor from {smallest:g} to {largest:g}: give two "
                "numbers of 1 or more, the smaller one first"
            )
        return self
