"""`terms`: what is added to the two losses, by name.

A term is given as its weight, or, where it has options, as a mapping of the weight and options.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from gantry.plan.blocks.base import Formulation, Positive, Rate, Strict, Weight
from gantry.plan.blocks.schedules import Schedule

Player = Literal["discriminator", "generators"]
BOTH: tuple[Player, Player] = ("discriminator", "generators")
Bins = Annotated[int, Field(ge=2)]
# Pairs of values that the neural estimator's statistic network sees in one update.
STATISTIC_PAIRS = 2048
# Among how many InfoNCE tells a pair's own: its bound cannot exceed the logarithm, 4.16 nats.
INFONCE_CANDIDATES = 64
Block = TypeVar("Block", bound="Weighted")


class Weighted(Strict):
    """A term with options; those of a term of weight 0 say nothing and are forgotten."""

    weight: Weight


def _as_mapping(given: Any) -> Any:
    return {"weight": given} if isinstance(given, int | float | str) or given is None else given


def _unless_left_out(block: Block) -> Block:
    return block if block.weight else type(block)(weight=0)


NumberOrMapping = (BeforeValidator(_as_mapping), AfterValidator(_unless_left_out))


class Histogram(Weighted):
    """How values are counted: soft bins, each value spread by a Gaussian of `bandwidth` bin widths."""

    bins: Bins = 32
    bandwidth: Rate = 0.5
    # None: all the values of a batch; else as many, drawn anew for each update.
    pixels: Positive | None = None
    # None: [−1, 1] for images, and for all else 3 standard deviations around the real batch's mean.
    range: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _range_ascends(self) -> "Histogram":
        if self.range is not None and not self.range[0] < self.range[1]:
            raise ValueError(f"range should be [low, high] with low < high (given: {list(self.range)})")
        return self


# What each estimator of the entropy distance can be taken of; first what it is taken of unless a recipe says more.
READINGS: dict[str, tuple[str, ...]] = {
    "cross_entropy": ("mean_image", "images", "logits"),
    "parzen": ("samples", "features"),
    "neural": ("samples", "features", "images"),
}
# Whose values are counted one by one, in histograms.
COUNTED = ("samples", "features")
OF_HISTOGRAMS = ("bins", "bandwidth", "pixels", "range")


class EntropyDistance(Histogram):
    """EDGAN: δ(X, Y) = H(X|Y) + H(Y|X) of a real and a generated batch.

    `of` says what X and Y are: the batch's mean image; whole images; what D says of a sample; the values of all
    samples, or of D's features, as draws of one variable. Unless told more, `cross_entropy` is of the mean image,
    `parzen` and `neural` are of samples, and samples and features are counted by `parzen`.
    `pairs` says which real value goes with which generated one; `bound` and `width` are those of the statistic
    network, which only the estimator `neural` has. `detached`: the value is computed and moves nobody.
    """

    estimator: Literal["cross_entropy", "parzen", "neural"] = "cross_entropy"
    pairs: Literal["batch", "sorted"] = "batch"
    of: Literal["mean_image", "images", "logits", "samples", "features"] = "mean_image"
    bound: Literal["donsker_varadhan", "infonce"] = "donsker_varadhan"
    width: Positive = 64
    detached: bool = False

    @model_validator(mode="before")
    @classmethod
    def _one_says_the_other(cls, given: Any) -> Any:
        if not isinstance(given, dict) or ("of" in given) == ("estimator" in given):
            return given
        fitting: Sequence[str]
        if "of" in given:
            missing, fitting = "estimator", [name for name, taken in READINGS.items() if given["of"] in taken]
        else:
            missing, fitting = "of", READINGS.get(given["estimator"], ())
        return given | ({missing: fitting[0]} if fitting else {})

    @model_validator(mode="after")
    def _an_estimator_has_its_readings(self) -> "EntropyDistance":
        readings = READINGS[self.estimator]
        if self.of not in readings:
            raise ValueError(f"of {self.of}: estimator {self.estimator} takes of: {', '.join(readings)}")
        return self

    @model_validator(mode="after")
    def _options_are_those_of_the_estimator(self) -> "EntropyDistance":
        given = sorted({"bound", "width"} & self.model_fields_set)
        if self.estimator != "neural" and given:
            raise ValueError(f"{', '.join(given)}: only estimator neural has it; set estimator: neural")
        given = sorted({"pairs", *OF_HISTOGRAMS} & self.model_fields_set)
        if self.of not in COUNTED and given:
            raise ValueError(f"{', '.join(given)}: no values are counted of {self.of}; set estimator: parzen")
        if self.estimator == "neural" and self.detached:
            raise ValueError("detached: nobody would train the statistic network; take estimator parzen")
        return self


class JensenShannon(Histogram):
    """The Jensen–Shannon divergence of the real and the generated values' histograms.

    `of: images`: of each real and generated image, taken as distributions over their pixels.
    """

    of: Literal["values", "images"] = "values"

    @model_validator(mode="after")
    def _images_are_not_counted(self) -> "JensenShannon":
        given = sorted(set(OF_HISTOGRAMS) & self.model_fields_set)
        if self.of == "images" and given:
            raise ValueError(f"{', '.join(given)}: no values are counted of images; take it away")
        return self


class GradientPenalty(Weighted):
    """(‖∇D‖ − center)² at `points`, or half of it; `perturbation` counts in deviations of the real batch.

    `one_sided`: only where ‖∇D‖ is above the center.
    `through: witness` has the kernel's mean over real outputs less that over generated ones in place of D.
    """

    center: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    points: Literal["lines", "real", "generated", "perturbed"] = "lines"
    through: Literal["logits", "sigmoid", "witness"] = "logits"
    halved: bool = False
    one_sided: bool = False
    perturbation: Rate = 0.5

    @model_validator(mode="after")
    def _only_perturbed_points_are_perturbed(self) -> "GradientPenalty":
        if self.points != "perturbed" and "perturbation" in self.model_fields_set:
            raise ValueError(f"perturbation: only points perturbed have it (given points: {self.points})")
        return self

    @model_validator(mode="after")
    def _a_witness_stands_between_two_batches(self) -> "GradientPenalty":
        if self.through == "witness" and self.points != "lines":
            raise ValueError(
                f"through: witness compares a real and a generated batch: set points to lines (given: {self.points})"
            )
        return self


class OrthogonalRegularisation(Weighted):
    """Filters pulled towards orthogonality (`off_diagonal`) or orthonormality (`full`)."""

    form: Literal["off_diagonal", "full"] = "off_diagonal"
    players: Annotated[tuple[Player, ...], Field(min_length=1, max_length=2)] = BOTH


class SpectralRegularisation(Weighted):
    """Half of the squares of the weights' largest singular values, summed over the layers."""

    players: Annotated[tuple[Player, ...], Field(min_length=1, max_length=2)] = ("discriminator",)


class HistoricalAveraging(Weighted):
    """Weights pulled towards their own mean over training."""

    players: Annotated[tuple[Player, ...], Field(min_length=1, max_length=2)] = BOTH


class Terms(Strict):
    """Summands added to D's or G's loss, by weight; a weight of 0 leaves the term out."""

    logit_agreement: Weight = 0.0
    sample_spread: Weight = 0.0
    entropy_distance: Annotated[EntropyDistance, *NumberOrMapping] = EntropyDistance(weight=0)
    jensen_shannon: Annotated[JensenShannon, *NumberOrMapping] = JensenShannon(weight=0)
    gradient_penalty: Annotated[GradientPenalty, *NumberOrMapping] = GradientPenalty(weight=0)
    drift: Weight = 0.0
    orthogonal_regularisation: Annotated[OrthogonalRegularisation, *NumberOrMapping] = (
        OrthogonalRegularisation(weight=0)
    )
    spectral_regularisation: Annotated[SpectralRegularisation, *NumberOrMapping] = SpectralRegularisation(
        weight=0
    )
    historical_averaging: Annotated[HistoricalAveraging, *NumberOrMapping] = HistoricalAveraging(weight=0)
    feature_matching: Weight = 0.0
    pulling_away: Weight = 0.0
    # None follows the objective where it has a formulation, and the paper elsewhere.
    formulation: Formulation | None = None
    # How weights change with the iterations, by the terms' names.
    schedules: dict[str, Schedule] = {}

    @model_validator(mode="after")
    def _schedules_are_of_terms(self) -> "Terms":
        for name in self.schedules:
            block = getattr(self, name, 0) if name not in ("formulation", "schedules") else 0
            if not getattr(block, "weight", block):
                raise ValueError(
                    f"schedules.{name}: the recipe has no term of this name: give {name} its weight"
                )
        return self

    @property
    def of_generators(self) -> list[str]:
        """The names of those that stand in G's loss."""
        blocks = {
            name: getattr(self, name)
            for name in type(self).model_fields
            if name not in ("formulation", "schedules", "gradient_penalty", "drift")
        }
        return [
            name
            for name, block in blocks.items()
            if getattr(block, "weight", block) and "generators" in getattr(block, "players", ("generators",))
        ]

    def until(self, iterations: int) -> "Terms":
        """Return the block with the end of a run in place of schedules' ends that are not given."""
        ended = {name: schedule.until(iterations) for name, schedule in self.schedules.items()}
        return self.model_copy(update={"schedules": ended}) if ended else self
