"""`networks`: the pair of a generator and a discriminator, by family."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from gantry.plan.blocks.base import Positive, Strict


class MlpNetworks(Strict):
    """The pair of BCGAN's synthetic experiment: a ReLU MLP against a maxout MLP."""

    makes: ClassVar[Literal["points", "images"]] = "points"

    family: Literal["mlp"]
    width: Positive = 400
    depth: Positive = 4
    maxout_units: Positive = 200
    maxout_pieces: Annotated[int, Field(ge=2)] = 5
    maxout_depth: Positive = 3


class DcganNetworks(Strict):
    """The DCGAN pair of the image experiments, for 32×32 to 256×256.

    `width` is the number of channels next to the image; it doubles with every halving of the resolution.
    """

    makes: ClassVar[Literal["points", "images"]] = "images"

    family: Literal["dcgan"]
    width: Positive = 32
    head: Literal["linear", "adaptive"] = "adaptive"
    spectral_norm: bool = True


Networks = Annotated[MlpNetworks | DcganNetworks, Field(discriminator="family")]
