"""What an experiment may say: a recipe made of blocks, a workload, a data set; each key with its range.

A recipe is the whole description of a training run but for the data set and the seed.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    SerializeAsAny,
    ValidationInfo,
    field_validator,
    model_validator,
)

from gantry.plan.blocks.base import Positive, Strict
from gantry.plan.blocks.networks import Networks
from gantry.plan.blocks.objectives import (
    EnergyObjective,
    EquilibriumObjective,
    GmmnObjective,
    MmdGanObjective,
    Objective,
    RealnessObjective,
)
from gantry.plan.blocks.players import Latent, Optimiser, Updates
from gantry.plan.blocks.sampling import MontageName, Sweep
from gantry.plan.blocks.terms import Terms
from gantry.plan.methods import MethodOptions, parse
from gantry.plan.methods.adversarial import Options as Adversarial
from gantry.plan.renamed import renamed, spelled_as_in_specs


class Recipe(Strict):
    """A training method, completely."""

    workload: str
    method: Annotated[SerializeAsAny[MethodOptions], BeforeValidator(parse)] = Adversarial(name="adversarial")
    networks: Networks
    objective: Objective
    terms: Terms = Terms()
    generators: Annotated[int, Field(ge=1, le=8)] = 1
    latent: Latent = Latent()
    optimiser: Optimiser = Optimiser()
    updates: Updates = Updates()
    # One alone is for translators: see below.
    batch_size: Positive = 32
    # Of phases whose batches are so many times as large, by name: {generator: 2}.
    batch_multiples: dict[str, Positive] = {}
    # Samples that the discriminator sees together (PacGAN).
    pack: Positive = 1
    # Updates that D looks ahead in the generators' loss (unrolled GAN).
    unroll: Annotated[int, Field(ge=0)] = 0
    flip: bool = False
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"
    # Among which a batch is divided, with a GPU each; see training/team.py.
    processes: Annotated[int, Field(ge=1, le=64)] = 1

    @classmethod
    def of_spec(cls, spec: dict[str, Any]) -> "Recipe":
        """Return the recipe that the spec of a run holds."""
        return cls.model_validate({"workload": ""} | renamed(spec["recipe"]))

    def as_spec(self) -> dict[str, Any]:
        """Return what the spec of a run holds of the recipe."""
        return spelled_as_in_specs(self.model_dump(mode="json", exclude={"workload"}, exclude_defaults=True))

    def with_batch_of(self, phase: str) -> "Recipe":
        """Return the recipe with the size that batches of `phase` have as its one size."""
        return self.model_copy(update={"batch_size": self.batch_size * self.batch_multiples.get(phase, 1)})

    def until(self, iterations: int) -> "Recipe":
        """Return the recipe with the end of a run in place of schedules' ends that are not given."""
        terms = self.terms.until(iterations)
        optimiser, method = self.optimiser.until(iterations), self.method.until(iterations)
        if terms is self.terms and optimiser is self.optimiser and method is self.method:
            return self
        return self.model_copy(update={"terms": terms, "optimiser": optimiser, "method": method})

    def setting(self, key: str) -> Any:
        """Return what stands at a dotted key, such as optimiser.betas.0; KeyError where nothing does."""
        value: Any = self.model_dump(mode="json")
        for part in key.split("."):
            inside = (
                {str(place): item for place, item in enumerate(value)} if isinstance(value, list) else value
            )
            if not isinstance(inside, dict):
                raise KeyError(key)
            value = inside[part]
        return value

    def number_at(self, key: str) -> float | None:
        """Return the number at a dotted key; None where there is none."""
        try:
            value = self.setting(key)
        except KeyError:
            return None
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    @property
    def generated_batches(self) -> int:
        """Batches of generated samples in one update: one per generator and per view of z."""
        return self.generators * (1 if self.latent.shift is None else 2)

    @model_validator(mode="before")
    @classmethod
    def _a_formulation_is_of_the_whole_game(cls, given: Any) -> Any:
        """What RealnessGAN's and BCGAN's code computes is also how their discriminator iterates."""
        blocks = given if isinstance(given, dict) else {}
        networks, objective = blocks.get("networks"), blocks.get("objective")
        if not (isinstance(networks, dict) and isinstance(objective, dict)):
            return given
        default = RealnessObjective.model_fields["formulation"].default
        if (
            objective.get("name") == "realness"
            and objective.get("formulation", default) == "reference"
            and networks.get("family") == "dcgan"
            and networks.get("spectral_norm", True) is True
            and networks.get("power_iteration") is None
        ):
            return blocks | {"networks": networks | {"power_iteration": "per_batch"}}
        return given

    @model_validator(mode="after")
    def _the_method_can_do_it(self) -> "Recipe":
        self.method.check(self)
        for name in () if self.method.terms_of_generators else self.terms.of_generators:
            raise ValueError(
                f"method {self.method.name}: terms.{name} would stand in G's loss, where this method has no place for "
                "it: take it away, or, if it has players, give it players: [discriminator]"
            )
        return self

    @field_validator("batch_size")
    @classmethod
    def _one_sample_is_no_batch_of_latents(cls, size: int, told: ValidationInfo) -> int:
        networks = told.data.get("networks")
        if size < 2 and networks is not None and not networks.translates:
            raise ValueError("should be 2 or more: only translators learn from one sample at a time")
        return size

    @model_validator(mode="after")
    def _translators_need_a_method_of_theirs(self) -> "Recipe":
        if self.networks.translates and not self.method.translates:
            raise ValueError(
                f"networks.family {self.networks.family} starts from samples of another domain: take a method that "
                "translates, such as pix2pix or cyclegan, or another family"
            )
        return self

    @model_validator(mode="after")
    def _phases_are_the_methods_own(self) -> "Recipe":
        told: dict[str, dict[str, Any]] = {
            "batch_multiples": self.batch_multiples,
            "optimiser.lr": self.optimiser.lr,
            "optimiser.schedules": self.optimiser.schedules,
        }
        phases = self.method.phases
        for key, by_phase in told.items():
            for name in (name for name in by_phase if name not in phases):
                raise ValueError(
                    f"{key}.{name}: method {self.method.name} has no phase of this name (it has {', '.join(phases)})"
                )
        return self

    @model_validator(mode="after")
    def _terms_need_two_batches(self) -> "Recipe":
        if self.generated_batches < 2 and (self.terms.logit_agreement or self.terms.sample_spread):
            raise ValueError(
                "terms logit_agreement and sample_spread compare two generators: "
                "set generators: 2 (or more), or their weights to 0"
            )
        return self

    @model_validator(mode="after")
    def _as_many_are_judged_as_there_are(self) -> "Recipe":
        judged = getattr(self.objective, "judged", None)
        if judged is not None and judged > self.generated_batches:
            raise ValueError(
                f"objective.judged {judged}: there are only {self.generated_batches} generated batches (generators, "
                "times latents z); take judged away to have a term of each in D's loss"
            )
        return self

    @model_validator(mode="after")
    def _discriminator_is_there_or_not(self) -> "Recipe":
        if not isinstance(self.objective, GmmnObjective):
            if self.updates.discriminator == 0:
                raise ValueError(
                    "updates.discriminator should be 1 or more: only objective gmmn has no discriminator"
                )
            return self
        if self.updates.discriminator:
            raise ValueError("objective gmmn has no discriminator: set updates.discriminator to 0")
        idle = {
            "pack": self.pack > 1,
            "unroll": self.unroll > 0,
            "terms.logit_agreement": self.terms.logit_agreement > 0,
            "terms.entropy_distance.of": self.terms.entropy_distance.of in ("features", "logits"),
            "terms.gradient_penalty": self.terms.gradient_penalty.weight > 0,
            "terms.drift": self.terms.drift > 0,
            "terms.feature_matching": self.terms.feature_matching > 0,
            "terms.pulling_away": self.terms.pulling_away > 0,
        }
        for key in (key for key, used in idle.items() if used):
            raise ValueError(f"objective gmmn has no discriminator: take {key} away")
        return self

    @model_validator(mode="after")
    def _a_witness_has_a_kernel(self) -> "Recipe":
        penalty = self.terms.gradient_penalty
        if (
            penalty.weight
            and penalty.through == "witness"
            and not isinstance(self.objective, MmdGanObjective)
        ):
            raise ValueError(
                f"objective {self.objective.name} has no kernel: set terms.gradient_penalty.through to logits or "
                "sigmoid (only mmd_gan has a witness function)"
            )
        return self

    @model_validator(mode="after")
    def _packs_are_full(self) -> "Recipe":
        if self.batch_size % self.pack:
            raise ValueError(f"batch_size {self.batch_size} is not a multiple of pack {self.pack}")
        return self

    @model_validator(mode="after")
    def _shares_are_full(self) -> "Recipe":
        share, rest = divmod(self.batch_size, self.processes)
        if self.processes > 1 and (rest or share < 2 or share % self.pack):
            raise ValueError(
                f"batch_size {self.batch_size} cannot be divided among processes {self.processes}: each takes as "
                f"many samples, at least 2{', in packs of ' + str(self.pack) if self.pack > 1 else ''}"
            )
        return self

    @model_validator(mode="after")
    def _looks_ahead_with_adam(self) -> "Recipe":
        if self.unroll and self.optimiser.name != "adam":
            raise ValueError(
                f"unroll looks ahead with D's own adam: optimiser.name {self.optimiser.name} has none"
            )
        return self

    @model_validator(mode="after")
    def _energies_are_reconstructed(self) -> "Recipe":
        if (
            isinstance(self.objective, EnergyObjective | EquilibriumObjective)
            and not self.networks.reconstructs
        ):
            raise ValueError(
                f"objective {self.objective.name} wants a discriminator that reconstructs: set networks.family to "
                "autoencoder (images) or mlp_autoencoder (points)"
            )
        return self

    @model_validator(mode="after")
    def _an_energy_is_one_number(self) -> "Recipe":
        if self.networks.reconstructs and self.objective.width > 1:
            raise ValueError(
                f"networks.family {self.networks.family} says one number of each sample, its energy, and objective "
                f"{self.objective.name} reads {self.objective.width}: take another family"
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
    # Score real samples, too, drawn anew with replacement: what a perfect generator would get.
    score_real: bool = False
    # Of several generators score each alone, too; without it their mixture only, at a share of the cost.
    score_generators: bool = True
    # Parts of the samples over which the Inception Score is a mean.
    inception_splits: Positive = 10
    # At the end of a run: settings at which its samples are scored too, and tables of images for figures.
    sweep: Sweep = Sweep()
    montages: tuple[MontageName, ...] = ()
    recipe: dict[str, Any] = {}

    def end(self, until: Literal["iterations", "extended_iterations"]) -> int:
        """The iteration up to which a run is followed; the usual one where no further one is given."""
        further = self.extended_iterations if until == "extended_iterations" else None
        return further or self.iterations

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
