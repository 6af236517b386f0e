"""What a recipe may say: one model per block of the YAML, each key with its range.

A recipe is the whole description of a training run but for the data set and the seed. These models know
names and ranges only; the mathematics behind a name lives in `objectives`, `terms` and `networks`.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Positive = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Beta = Annotated[float, Field(ge=0, lt=1)]
Formulation = Literal["paper", "reference"]


class Strict(BaseModel):
    """A block of configuration: unknown keys are errors, values do not change after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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


class StandardObjective(Strict):
    """Goodfellow et al. 2014: the minimax game, or its non-saturating generator."""

    name: Literal["minimax", "non_saturating"]


class RealnessObjective(Strict):
    """RealnessGAN: the discriminator's verdict is a distribution over `outcomes`."""

    name: Literal["realness"]
    outcomes: Annotated[int, Field(ge=2)] = 51
    formulation: Formulation = "reference"
    # None leaves the choice to the formulation; a value overrides it, for the ablations.
    shifted_anchors: bool | None = None
    relativistic: bool | None = None
    redraw_anchors: bool = True


Objective = Annotated[StandardObjective | RealnessObjective, Field(discriminator="name")]


class Terms(Strict):
    """Summands added to D's or G's loss, by weight; a weight of 0 leaves the term out."""

    verdict_agreement: Weight = 0.0
    sample_spread: Weight = 0.0
    # None follows the objective where it has a formulation, and the paper elsewhere.
    formulation: Formulation | None = None


class Optimiser(Strict):
    """One optimiser for the discriminator, one for all the generators together."""

    name: Literal["adam"] = "adam"
    lr_g: Rate = 2e-4
    lr_d: Rate = 2e-4
    betas: tuple[Beta, Beta] = (0.5, 0.9)


class Updates(Strict):
    """How many updates of each player make one iteration."""

    discriminator: Positive = 1
    generator: Positive = 1


class Latent(Strict):
    """z: its dimension, and the second view z + Δz of figure 12's variant where `shift` is given.

    Δz ~ N(0, shift²·I), drawn anew for each batch.
    """

    dimension: Positive = 128
    distribution: Literal["normal", "uniform"] = "normal"
    shift: Rate | None = None


class Recipe(Strict):
    """A training method, completely."""

    workload: str
    networks: Networks
    objective: Objective
    terms: Terms = Terms()
    generators: Annotated[int, Field(ge=1, le=8)] = 1
    latent: Latent = Latent()
    optimiser: Optimiser = Optimiser()
    updates: Updates = Updates()
    batch_size: Annotated[int, Field(ge=2)] = 32
    flip: bool = False
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"

    @property
    def views(self) -> int:
        """Batches of generated samples in one update: one per generator and per view of z."""
        return self.generators * (1 if self.latent.shift is None else 2)

    @model_validator(mode="after")
    def _terms_need_two_batches(self) -> "Recipe":
        if self.views < 2 and (self.terms.verdict_agreement or self.terms.sample_spread):
            raise ValueError(
                "terms verdict_agreement and sample_spread compare two generators: "
                "set generators: 2 (or more), or their weights to 0"
            )
        return self


class Workload(Strict):
    """A kind of experiment: how long, on what grid of checkpoints, and how many samples are scored."""

    iterations: Positive
    checkpoint_every: Positive
    extended_iterations: Positive | None = None
    snapshots: tuple[Positive, ...] = ()
    resolution: Literal[32, 64, 128, 256] | None = None
    samples: Positive
    shown: Positive = 16
    metrics: tuple[str, ...]
    # Costly metrics that only the end of a run needs.
    final_metrics: tuple[str, ...] = ()
    recipe: dict[str, Any] = {}

    @field_validator("resolution", mode="before")
    @classmethod
    def _say_powers_of_two(cls, value: Any) -> Any:
        if value is not None and value not in (32, 64, 128, 256):
            raise ValueError(
                f"should be a power of two from 32 to 256 (32, 64, 128 or 256; given: {value!r})"
            )
        return value

    @model_validator(mode="after")
    def _grid_fits(self) -> "Workload":
        for name, end in (("iterations", self.iterations), ("extended_iterations", self.extended_iterations)):
            if end is not None and end % self.checkpoint_every:
                raise ValueError(
                    f"{name} {end} is not a multiple of checkpoint_every {self.checkpoint_every}"
                )
        if self.extended_iterations is not None and self.extended_iterations <= self.iterations:
            raise ValueError(f"extended_iterations {self.extended_iterations} is not above iterations")
        for snapshot in self.snapshots:
            if snapshot % self.checkpoint_every or snapshot > self.iterations:
                raise ValueError(
                    f"snapshot {snapshot} is not on the grid of checkpoints "
                    f"(every {self.checkpoint_every} up to {self.iterations})"
                )
        return self


class DatasetSpec(Strict):
    """A data set as `workflow/datasets.yaml` describes it: where its files lie and what is drawn from them."""

    title: str
    source: Literal[
        "gaussian_grid",
        "digits",
        "photograph",
        "folder",
        "array",
        "celeba",
        "lsun",
        "cifar10",
        "svhn",
        "stl10",
    ]
    path: str | None = None
    images: Positive | None = None
    crop: Literal["center", "resize"] = "center"
    fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    subset_seed: Annotated[int, Field(ge=0)] = 0
    on_bad_image: Literal["stop", "skip"] = "stop"
    # Names of which one must exist in `path`; none asks only that `path` itself exists.
    looks_for: tuple[str, ...] = ()
    acquisition: str = ""
    # Sources that need no path have options of their own: points of the mixture, the photograph's name.
    options: dict[str, int | float | str] = {}

    def identity(self, resolution: int | None) -> dict[str, Any]:
        """What makes two prepared sets the same set: everything but where the files lie on this machine."""
        kept = self.model_dump(
            include={"source", "crop", "fraction", "subset_seed", "on_bad_image", "options"}
        )
        return kept | {"resolution": resolution}
