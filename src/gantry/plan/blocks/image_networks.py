"""`networks` for images that are made in one pass: the pair of a generator and a discriminator, by family."""

from typing import ClassVar, Literal

from pydantic import model_validator

from gantry.plan.blocks.base import DensePair, Pair, Positive, Rate
from gantry.plan.blocks.layers import (
    Initialisation,
    MinibatchDiscrimination,
    ReconstructionError,
    VirtualBatchNorm,
)


class ImageNetworks(Pair):
    """What all pairs for square images have; `resolutions` are those that the family is made for."""

    makes = "images"
    resolutions: ClassVar[tuple[int, ...]] = (32,)

    initialisation: Initialisation = Initialisation()


def doublings(resolution: int | None) -> int:
    """Return how often the side of 32 pixels is doubled up to `resolution`."""
    return (resolution or 32).bit_length() - 6


class DcganNetworks(ImageNetworks):
    """The DCGAN pair of the image experiments, for 32×32 to 256×256.

    `width` is the number of channels next to the image; it doubles with every halving of the resolution.
    Table 4 of BCGAN: `generator: residual` has two residual blocks more, `discriminator: patchgan` judges
    patches; its channels are 2, 4, 8 and 16 times `width`. `batch_norm` is the discriminator's, as in Radford et al.
    2016; the generator always has it. `power_iteration` is spectral norm's: one step for all
    the batches of a loss (`shared`), or one for each, in a pass of its own (`per_batch`, as in RealnessGAN's code).
    """

    resolutions: ClassVar[tuple[int, ...]] = (32, 64, 128, 256)

    family: Literal["dcgan"]
    width: Positive = 32
    generator: Literal["dcgan", "residual"] = "dcgan"
    discriminator: Literal["dcgan", "patchgan"] = "dcgan"
    head: Literal["linear", "adaptive"] = "adaptive"
    spectral_norm: bool = True
    batch_norm: bool = False
    # None: per_batch beside an objective of formulation reference, shared beside any other.
    power_iteration: Literal["shared", "per_batch"] | None = None
    minibatch_discrimination: MinibatchDiscrimination | None = None
    virtual_batch_norm: VirtualBatchNorm | None = None

    @model_validator(mode="after")
    def _only_spectral_norm_iterates(self) -> "DcganNetworks":
        if self.power_iteration is not None and not self.spectral_norm:
            raise ValueError(
                f"power_iteration {self.power_iteration}: there is no spectral norm; take it away, or write "
                "power_iteration: null where the recipe inherits it"
            )
        return self

    @property
    def ends_dense(self) -> bool:
        return self.discriminator == "dcgan" and self.head == "linear"

    def inner_norms(self, resolution: int | None) -> int:
        if self.virtual_batch_norm is not None:
            return 0
        return doublings(resolution) + 2 + (4 if self.generator == "residual" else 0)

    @model_validator(mode="after")
    def _batches_are_of_whole_images(self) -> "DcganNetworks":
        if self.minibatch_discrimination is not None and self.discriminator == "patchgan":
            raise ValueError(
                "minibatch_discrimination compares whole images, and discriminator patchgan judges patches: set "
                "discriminator: dcgan, or take minibatch_discrimination away"
            )
        return self


class Dcgan32Networks(ImageNetworks):
    """The pair of EDGAN's figure 2. With both options it is OptimizedDCGAN, of figure 3.

    `width` is the discriminator's channels next to the image; at 4×4 the generator has 8 times as many.
    `head_channels` logits are given of each image. Without `batch_norm` the discriminator has no
    normalisation at all, as the gradient penalty of WGAN-GP wants its critic.
    """

    family: Literal["dcgan32"]
    width: Positive = 64
    head_channels: Positive = 1
    spectral_penultimate: bool = False
    r311: bool = False
    batch_norm: bool = True

    def inner_norms(self, resolution: int | None) -> int:
        return 2 if self.r311 else 5


class ClampedNetworks(ImageNetworks):
    """Pairs whose generator's largest singular values can be held at `clamp`, layer by layer, in every pass.

    W − max(0, σ₀ − clamp)·u₀v₀ᵀ in the place of W. Brock et al. 2019, section 4.1. With `clamp_ratio` they are held at
    so many times the second one, σ₁.
    """

    clamp: Rate | None = None
    clamp_ratio: Rate | None = None

    @model_validator(mode="after")
    def _one_limit(self) -> "ClampedNetworks":
        if self.clamp is not None and self.clamp_ratio is not None:
            raise ValueError(
                "clamp and clamp_ratio both say where the largest singular value is held: take one of them away"
            )
        return self


class SnganNetworks(ClampedNetworks, DensePair):
    """The standard CNN of SNGAN (Miyato et al. 2018, table 3).

    `width` is the number of channels next to the image, in both networks; at 1/8 of the resolution it is 8
    times as many. `clamp` holds the largest singular value of each of the generator's weights, `clamp_ratio` at a
    multiple of the second.
    """

    resolutions: ClassVar[tuple[int, ...]] = (32, 64)

    family: Literal["sngan"]
    width: Positive = 64
    spectral_norm: bool = True

    def inner_norms(self, resolution: int | None) -> int:
        return 3


class ResnetNetworks(ClampedNetworks, DensePair):
    """The residual pair for CIFAR-10 of SNGAN (Miyato et al. 2018, table 4).

    `width` is the discriminator's number of channels; the generator's is `generator_ratio` times that. The
    critic of WGAN-GP (Gulrajani et al. 2017) is `generator_ratio: 1, pooling: mean, spectral_norm: false`.
    `clamp` holds the largest singular value of each of the generator's weights, `clamp_ratio` at a multiple of the
    second.
    """

    family: Literal["resnet"]
    width: Positive = 128
    generator_ratio: Positive = 2
    pooling: Literal["sum", "mean"] = "sum"
    spectral_norm: bool = True

    def inner_norms(self, resolution: int | None) -> int:
        return 6


class SaganNetworks(ImageNetworks, DensePair):
    """SAGAN (Zhang et al. 2019) at 32×32, without labels: the residual pair with self-attention at 16×16
    and spectral norm in both networks.

    `width` is the discriminator's number of channels; the generator has twice as many.
    """

    family: Literal["sagan"]
    width: Positive = 128

    def inner_norms(self, resolution: int | None) -> int:
        return 6


class BigganDeepNetworks(ImageNetworks, DensePair):
    """BigGAN-deep's pair (Brock et al. 2019, tables 7 to 9), for 32×32 to 256×256; spectral norm in both networks.

    `width` is the number of channels next to the image, above 32×32; there it is a quarter of them all. `attention`:
    over the places of this size; at 128 and 256 the paper's is 64.
    """

    resolutions: ClassVar[tuple[int, ...]] = (32, 64, 128, 256)

    family: Literal["biggan_deep"]
    width: Positive = 128
    attention: Literal[8, 16, 32, 64] | None = None

    def inner_norms(self, resolution: int | None) -> int:
        return 24 + 8 * doublings(resolution)


class AutoencoderNetworks(ImageNetworks):
    """The pair of BEGAN, for 32×32 to 256×256: D reconstructs an image from `code` numbers, G is such a decoder.

    `width` is the number of channels next to the image; the encoder's grow by it with every halving.
    """

    resolutions: ClassVar[tuple[int, ...]] = (32, 64, 128, 256)
    reconstructs = True

    family: Literal["autoencoder"]
    width: Positive = 64
    code: Positive = 64
    error: ReconstructionError = "absolute"
