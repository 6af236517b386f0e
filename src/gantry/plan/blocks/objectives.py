"""`objective`: what the discriminator and the generators minimise, by name."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from gantry.plan.blocks.base import Formulation, Positive, Rate, Strict, by_tag, union

FDivergence = Literal[
    "total_variation",
    "kl",
    "reverse_kl",
    "pearson",
    "neyman",
    "squared_hellinger",
    "jeffrey",
    "jensen_shannon",
    "weighted_jensen_shannon",
    "gan",
]
Kernel = Literal["rbf", "rational_quadratic"]
Scales = Annotated[tuple[Rate, ...], Field(min_length=1)]
Level = Annotated[float, Field(allow_inf_nan=False)]


class ObjectiveBlock(Strict):
    """What every objective's block tells the plan; the class in `gantry.objectives` has the same."""

    # How many networks judge the samples.
    discriminators: ClassVar[int] = 1

    name: str

    @property
    def width(self) -> int:
        """How many numbers one discriminator says of a sample."""
        return 1

    @property
    def generator_uses_real(self) -> bool:
        """Whether the generators' update runs D on a real batch, too."""
        return False


class StandardObjective(ObjectiveBlock):
    """Goodfellow et al. 2014: the minimax game, or its non-saturating generator."""

    name: Literal["minimax", "non_saturating"]
    # Below 1: one-sided label smoothing.
    real_label: Annotated[float, Field(gt=0.5, le=1)] = 1.0


class ScoreDistanceObjective(ObjectiveBlock):
    """Dist-GAN: D as in the standard game, and a generator that closes the distance of D's mean scores."""

    name: Literal["score_distance"]
    # Below 1: one-sided label smoothing.
    real_label: Annotated[float, Field(gt=0.5, le=1)] = 1.0

    @property
    def generator_uses_real(self) -> bool:
        """It is half of the distance."""
        return True


class LeastSquaresObjective(ObjectiveBlock):
    """LSGAN: outputs go to `b` on real and to `a` on generated samples; G pulls its own to `c`."""

    name: Literal["least_squares"]
    a: Level = 0.0
    b: Level = 1.0
    c: Level = 1.0


class HingeObjective(ObjectiveBlock):
    """The hinge loss of geometric GAN, SNGAN, SAGAN and BigGAN."""

    name: Literal["hinge"]


class WassersteinObjective(ObjectiveBlock):
    """WGAN; `clip` bounds the critic's weights (0.01 there), without it a penalty must bound the slope."""

    name: Literal["wasserstein"]
    clip: Rate | None = None


class LossSensitiveObjective(ObjectiveBlock):
    """LS-GAN: real samples beat generated ones by `margin` times their distance; `slope` ν above 0 is GLS-GAN."""

    name: Literal["loss_sensitive"]
    margin: Rate
    slope: Annotated[float, Field(ge=0, le=1)] = 0.0


class FGanObjective(ObjectiveBlock):
    """f-GAN: D bounds the named divergence; G minimises the bound, or follows the non-saturating heuristic."""

    name: Literal["f_gan"]
    divergence: FDivergence
    non_saturating: bool = False
    # π of weighted_jensen_shannon, the share of the data in the mixture; the others have no such parameter.
    data_share: Annotated[float, Field(gt=0, lt=1)] = 0.5

    @model_validator(mode="after")
    def _only_one_is_weighted(self) -> "FGanObjective":
        if self.data_share != 0.5 and self.divergence != "weighted_jensen_shannon":
            raise ValueError(
                f"data_share belongs to divergence weighted_jensen_shannon, not {self.divergence}"
            )
        return self


class RelativeLeastSquares(LeastSquaresObjective):
    """Least squares of differences of logits, which go to 1 and −1."""

    a: Level = -1.0


class RelativisticObjective(ObjectiveBlock):
    """RGAN, or with `average` RaGAN: `of` names the objective, or is its block."""

    name: Literal["relativistic"]
    of: Annotated[
        Annotated[
            StandardObjective | RelativeLeastSquares | HingeObjective | FGanObjective,
            Field(discriminator="name"),
        ],
        BeforeValidator(lambda given: {"name": given} if isinstance(given, str) else given),
    ]
    average: bool = True

    @property
    def generator_uses_real(self) -> bool:
        """Always: the losses are of differences."""
        return True


class DualObjective(ObjectiveBlock):
    """D2GAN: two discriminators; `alpha` and `beta` weigh KL(p ‖ q) and KL(q ‖ p)."""

    discriminators: ClassVar[int] = 2

    name: Literal["d2gan"]
    alpha: Annotated[float, Field(gt=0, le=1)] = 1.0
    beta: Annotated[float, Field(gt=0, le=1)] = 1.0


class EnergyObjective(ObjectiveBlock):
    """EBGAN: generated samples get an energy of at least `margin`. For networks that reconstruct."""

    name: Literal["ebgan"]
    margin: Rate


class EquilibriumObjective(ObjectiveBlock):
    """BEGAN: `diversity` γ, the ratio of errors that is held; `gain` λ, how fast. For networks that reconstruct."""

    name: Literal["began"]
    diversity: Annotated[float, Field(ge=0, le=1)] = 0.5
    gain: Rate = 0.001

    @property
    def generator_uses_real(self) -> bool:
        """Always: the equilibrium is between both errors."""
        return True


class MmdGanObjective(ObjectiveBlock):
    """MMD-GAN: D embeds samples in `outputs` dimensions; None for `scales` is the kernel's usual mixture.

    `root`: the square root of the biased MMD², as in the code of Li et al. 2017, in place of the unbiased MMD².
    """

    name: Literal["mmd_gan"]
    outputs: Positive = 16
    kernel: Kernel = "rational_quadratic"
    scales: Scales | None = None
    clip: Rate | None = None
    root: bool = False

    @property
    def width(self) -> int:
        """The dimension of the embedding."""
        return self.outputs

    @property
    def generator_uses_real(self) -> bool:
        """Always: the discrepancy is between both batches."""
        return True


class GmmnObjective(ObjectiveBlock):
    """GMMN: no discriminator; the discrepancy of the samples themselves, or with `root` its square root."""

    discriminators: ClassVar[int] = 0
    name: Literal["gmmn"]
    kernel: Kernel = "rbf"
    scales: Scales = (2.0, 5.0, 10.0, 20.0, 40.0, 80.0)
    root: bool = True

    @property
    def generator_uses_real(self) -> bool:
        """Always: the discrepancy is between both batches."""
        return True


class RealnessObjective(ObjectiveBlock):
    """RealnessGAN: the discriminator's output is a distribution over `atoms`."""

    name: Literal["realness"]
    atoms: Annotated[int, Field(ge=2)] = 51
    formulation: Formulation = "reference"
    # None leaves the choice to the formulation; a value overrides it, for the ablations.
    shifted_anchors: bool | None = None
    relativistic: bool | None = None
    redraw_anchors: bool = True
    # None: all; else so many of the generated batches have a term in D's loss (two of three in the authors' code).
    judged: Positive | None = None

    @property
    def width(self) -> int:
        """A number an atom."""
        return self.atoms

    @property
    def generator_uses_real(self) -> bool:
        """Where the target is the logits of a real batch."""
        return self.formulation == "reference" if self.relativistic is None else self.relativistic


# A block by the name of its objective: all there are, in the order in which they are written.
OBJECTIVES = by_tag("name", ObjectiveBlock)

if TYPE_CHECKING:
    Objective = ObjectiveBlock
else:
    Objective = Annotated[union(OBJECTIVES), Field(discriminator="name")]
