"""`objective`: what the discriminator and the generators minimise, by name."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from gantry.plan.blocks.base import Formulation, Positive, Rate, Strict

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


class StandardObjective(Strict):
    """Goodfellow et al. 2014: the minimax game, or its non-saturating generator."""

    name: Literal["minimax", "non_saturating"]
    # Below 1: one-sided label smoothing.
    real_label: Annotated[float, Field(gt=0.5, le=1)] = 1.0


class LeastSquaresObjective(Strict):
    """LSGAN: verdicts go to `b` on real and to `a` on generated samples; G pulls its own to `c`."""

    name: Literal["least_squares"]
    a: Level = 0.0
    b: Level = 1.0
    c: Level = 1.0


class HingeObjective(Strict):
    """The hinge loss of geometric GAN, SNGAN, SAGAN and BigGAN."""

    name: Literal["hinge"]


class WassersteinObjective(Strict):
    """WGAN; `clip` bounds the critic's weights (0.01 there), without it a penalty must bound the slope."""

    name: Literal["wasserstein"]
    clip: Rate | None = None


class FGanObjective(Strict):
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
    """Least squares of differences of verdicts, which go to 1 and −1."""

    a: Level = -1.0


class RelativisticObjective(Strict):
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


class DualObjective(Strict):
    """D2GAN: two discriminators; `alpha` and `beta` weigh KL(p ‖ q) and KL(q ‖ p)."""

    name: Literal["d2gan"]
    alpha: Annotated[float, Field(gt=0, le=1)] = 1.0
    beta: Annotated[float, Field(gt=0, le=1)] = 1.0


class EnergyObjective(Strict):
    """EBGAN: generated samples get an energy of at least `margin`. For networks that reconstruct."""

    name: Literal["ebgan"]
    margin: Rate


class EquilibriumObjective(Strict):
    """BEGAN: `diversity` γ, the ratio of errors that is held; `gain` λ, how fast. For networks that reconstruct."""

    name: Literal["began"]
    diversity: Annotated[float, Field(ge=0, le=1)] = 0.5
    gain: Rate = 0.001


class MmdGanObjective(Strict):
    """MMD-GAN: D embeds samples in `outputs` dimensions; None for `scales` is the kernel's usual mixture."""

    name: Literal["mmd_gan"]
    outputs: Positive = 16
    kernel: Kernel = "rational_quadratic"
    scales: Scales | None = None
    clip: Rate | None = None


class GmmnObjective(Strict):
    """GMMN: no discriminator; the discrepancy of the samples themselves, or with `root` its square root."""

    name: Literal["gmmn"]
    kernel: Kernel = "rbf"
    scales: Scales = (2.0, 5.0, 10.0, 20.0, 40.0, 80.0)
    root: bool = True


class RealnessObjective(Strict):
    """RealnessGAN: the discriminator's verdict is a distribution over `outcomes`."""

    name: Literal["realness"]
    outcomes: Annotated[int, Field(ge=2)] = 51
    formulation: Formulation = "reference"
    # None leaves the choice to the formulation; a value overrides it, for the ablations.
    shifted_anchors: bool | None = None
    relativistic: bool | None = None
    redraw_anchors: bool = True


Objective = Annotated[
    StandardObjective
    | LeastSquaresObjective
    | HingeObjective
    | WassersteinObjective
    | FGanObjective
    | RelativisticObjective
    | DualObjective
    | EnergyObjective
    | EquilibriumObjective
    | MmdGanObjective
    | GmmnObjective
    | RealnessObjective,
    Field(discriminator="name"),
]
