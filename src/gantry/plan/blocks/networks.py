"""`networks`: the pair of a generator and a discriminator, by family."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

# Read for their families alone, which are among those that are found below.
from gantry.plan.blocks import autoencoders, code_translators  # noqa: F401
from gantry.plan.blocks.base import DensePair, Pair, Positive, Rate, Strict, Weight, by_tag, union
from gantry.plan.blocks.translators import ImageTranslators, PointTranslators

# Of an autoencoder: the norm of the difference, or the mean of its entries' squares or absolute values.
ReconstructionError = Literal["norm", "squared", "absolute"]
# PyTorch's functions on weights as it stores them; `_by_outputs` counts a deconvolution's rows by its outputs.
Scheme = Literal[
    "default",
    "orthogonal",
    "orthogonal_by_outputs",
    "glorot_normal",
    "kaiming_normal",
    "kaiming_normal_by_outputs",
    "normal_0.02",
    "normal_1",
]


class Initialisation(Strict):
    """How weights start, for each player; `default` is what the family's source says."""

    generator: Scheme = "default"
    discriminator: Scheme = "default"


class MinibatchDiscrimination(Strict):
    """What D's last layer sees of a sample's batch: `kernels` similarities, of `dimensions` numbers each.

    The defaults are those of Salimans et al.'s code, 2016.
    """

    kernels: Positive = 100
    dimensions: Positive = 5


class VirtualBatchNorm(Strict):
    """In the generator, in place of BatchNorm; `reference` samples of the fixed batch (their code: a batch)."""

    reference: Annotated[int, Field(ge=2)] = 100


class PointNetworks(Pair):
    """What all pairs for points have."""


class MlpNetworks(PointNetworks, DensePair):
    """The pair of BCGAN's synthetic experiment: a ReLU MLP against a maxout MLP."""

    family: Literal["mlp"]
    width: Positive = 400
    depth: Positive = 4
    # None: half of `width`, 200 as published where that is 400.
    maxout_units: Positive | None = None
    maxout_pieces: Annotated[int, Field(ge=2)] = 5
    maxout_depth: Positive = 3
    minibatch_discrimination: MinibatchDiscrimination | None = None
    virtual_batch_norm: VirtualBatchNorm | None = None

    @property
    def units(self) -> int:
        """Maxout units of each of the discriminator's layers."""
        return self.maxout_units or max(1, self.width // 2)

    def inner_norms(self, resolution: int | None) -> int:
        return self.depth - 1 if self.virtual_batch_norm is None else 0


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
    patches; its channels are 2, 4, 8 and 16 times `width`. `power_iteration` is spectral norm's: one step for all
    the batches of a loss (`shared`), or one for each, in a pass of its own (`per_batch`, as in RealnessGAN's code).
    """

    resolutions: ClassVar[tuple[int, ...]] = (32, 64, 128, 256)

    family: Literal["dcgan"]
    width: Positive = 32
    generator: Literal["dcgan", "residual"] = "dcgan"
    discriminator: Literal["dcgan", "patchgan"] = "dcgan"
    head: Literal["linear", "adaptive"] = "adaptive"
    spectral_norm: bool = True
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
    """StyleGAN's pair (Karras et al. 2019): w of `width` numbers by `mapping_depth` layers, and styles of w.

    `mapping_rate` times as fast the mapping learns. `constant`: the first features are learned; else a dense layer
    makes them of w. `noise`: a map a layer. `mixing`: with this probability a batch has two w's. `mean_decay` is that
    of the mean of w.
    """

    family: Literal["stylegan"]
    mapping_depth: Annotated[int, Field(ge=0)] = 8
    mapping_rate: Rate = 0.01
    constant: bool = True
    noise: bool = True
    mixing: Annotated[float, Field(ge=0, le=1)] = 0.9
    mean_decay: Annotated[float, Field(ge=0, lt=1)] = 0.995


class LapganNetworks(ImageNetworks, DensePair):
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

    @model_validator(mode="after")
    def _layers_start_as_torch_has_them(self) -> "LapganNetworks":
        if self.initialisation != Initialisation():
            raise ValueError("initialisation: family lapgan has none to choose: take it away")
        return self


class StackganNetworks(ImageNetworks):
    """StackGAN's and StackGAN++'s pairs (Zhang et al. 2017, 2018): images of `smallest` pixels a side, then finer ones.

    `width` is the number of channels of the features of the former, and of D's first layer.
    """

    resolutions: ClassVar[tuple[int, ...]] = (32, 64, 128, 256)

    family: Literal["stackgan"]
    width: Positive = 64
    smallest: Literal[8, 16, 32, 64] = 16

    @model_validator(mode="after")
    def _weights_start_as_the_authors_have_them(self) -> "StackganNetworks":
        if self.initialisation != Initialisation():
            raise ValueError("initialisation: family stackgan has none to choose: take it away")
        return self


class SinganNetworks(ImageNetworks):
    """SinGAN's pairs (Rott Shaham et al. 2019): five 3×3 convolutions each, at every scale.

    `width` channels, doubled every 4 scales up to `widest`.
    """

    resolutions: ClassVar[tuple[int, ...]] = (32, 64, 128, 256)

    family: Literal["singan"]
    width: Positive = 32
    widest: Positive = 128

    @model_validator(mode="after")
    def _layers_start_as_the_code_has_them(self) -> "SinganNetworks":
        if self.initialisation != Initialisation():
            raise ValueError("initialisation: family singan has none to choose: take it away")
        return self


class GranNetworks(ImageNetworks, DensePair):
    """GRAN's generator (Im et al. 2016), which draws in `steps` steps, against a DCGAN's discriminator.

    Each step has its share of the latent. `width` is the number of channels next to the image.
    """

    resolutions: ClassVar[tuple[int, ...]] = (32, 64, 128, 256)

    family: Literal["gran"]
    width: Positive = 32
    steps: Annotated[int, Field(ge=1, le=20)] = 5

    def inner_norms(self, resolution: int | None) -> int:
        return 4 + 2 * doublings(resolution)

    @model_validator(mode="after")
    def _layers_start_as_a_dcgans(self) -> "GranNetworks":
        if self.initialisation != Initialisation():
            raise ValueError("initialisation: family gran has none to choose: take it away")
        return self


class LrganNetworks(ImageNetworks, DensePair):
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
    def _layers_start_as_a_dcgans(self) -> "LrganNetworks":
        if self.initialisation != Initialisation():
            raise ValueError("initialisation: family lrgan has none to choose: take it away")
        return self

    @model_validator(mode="after")
    def _foregrounds_do_not_grow(self) -> "LrganNetworks":
        smallest, largest = self.scales
        if not 1 <= smallest <= largest:
            raise ValueError(
                f"scales: foregrounds are made smaller by a factor from {smallest:g} to {largest:g}: give two "
                "numbers of 1 or more, the smaller one first"
            )
        return self


class MlpAutoencoderNetworks(PointNetworks):
    """The generator of `mlp` against an autoencoder of points whose halves have `depth` layers of `width`."""

    reconstructs = True

    family: Literal["mlp_autoencoder"]
    width: Positive = 400
    depth: Positive = 2
    code: Positive = 1
    error: ReconstructionError = "absolute"
    virtual_batch_norm: VirtualBatchNorm | None = None

    def inner_norms(self, resolution: int | None) -> int:
        return self.depth - 1 if self.virtual_batch_norm is None else 0


# A block by the family that it names: all there are, in the order in which they are written.
FAMILIES = by_tag("family", PointNetworks, ImageNetworks, PointTranslators, ImageTranslators)

if TYPE_CHECKING:
    Networks = PointNetworks | ImageNetworks | PointTranslators | ImageTranslators
else:
    Networks = Annotated[union(FAMILIES), Field(discriminator="family")]
