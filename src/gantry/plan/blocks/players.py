"""`optimiser`, `updates`, `latent`: how the players move, and what the generators start from."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from gantry.plan.blocks.base import Beta, Positive, Rate, Strict, Weight
from gantry.plan.blocks.schedules import Changing, Schedule

# What an optimiser has besides its learning rates.
OPTIMISER_OPTIONS: dict[str, tuple[str, ...]] = {
    "adam": ("betas", "weight_decay"),
    "oadam": ("betas",),
    "sgd": ("momentum", "weight_decay"),
    "rmsprop": ("momentum", "smoothing", "weight_decay"),
}


class Optimiser(Strict):
    """One optimiser for the discriminator, one for all the generators together.

    An option that the optimiser does not have is refused; as null, it takes back what a recipe inherits.
    """

    name: Literal["adam", "oadam", "sgd", "rmsprop"] = "adam"
    lr_g: Rate = 2e-4
    lr_d: Rate = 2e-4
    # Of the phases that a method has beside these two, by name; those not named take lr_g.
    lr: dict[str, Rate] = {}
    betas: tuple[Beta, Beta] = (0.5, 0.9)
    momentum: Beta = 0.0
    smoothing: Beta = 0.99
    # Added to the gradient, times the weights (L2).
    weight_decay: Weight = 0.0
    # Of all rates; `schedules` has those of single phases, by name.
    schedule: Schedule | None = None
    schedules: dict[str, Schedule] = {}

    @model_validator(mode="before")
    @classmethod
    def _null_is_not_given(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        optional = {option for options in OPTIMISER_OPTIONS.values() for option in options}
        return {key: value for key, value in given.items() if value is not None or key not in optional}

    @model_validator(mode="after")
    def _options_are_the_optimisers_own(self) -> "Optimiser":
        own = OPTIMISER_OPTIONS[self.name]
        for option in sorted(
            self.model_fields_set - {"name", "lr_g", "lr_d", "lr", "schedule", "schedules", *own}
        ):
            raise ValueError(
                f"{option}: {self.name} has no such option (it has {', '.join(own)}); take it away, or write "
                f"{option}: null where the recipe inherits it"
            )
        return self

    def schedule_of(self, phase: str) -> Changing | None:
        """Return the schedule of a phase's learning rate; None where it does not change."""
        return self.schedules.get(phase, self.schedule)

    def until(self, iterations: int) -> "Optimiser":
        """Return the block with the end of a run where a schedule gives none."""
        ended = {phase: schedule.until(iterations) for phase, schedule in self.schedules.items()}
        whole = self.schedule and self.schedule.until(iterations)
        return self.model_copy(update={"schedule": whole, "schedules": ended}) if whole or ended else self


class Updates(Strict):
    """How many updates of each player make one iteration; 0 of D for an objective without one."""

    discriminator: Annotated[int, Field(ge=0)] = 1
    generator: Positive = 1


class Latent(Strict):
    """z: its dimension, and the second view z + Δz of figure 12's variant where `shift` is given.

    z ~ N(0, scale²·I), or uniform on [−scale, scale], 0 or scale alike often (`bernoulli`), or max(0, N(0, scale²))
    (`censored`). Δz ~ N(0, shift²·I), drawn anew for each batch.
    """

    dimension: Positive = 128
    distribution: Literal["normal", "uniform", "bernoulli", "censored"] = "normal"
    scale: Rate = 1.0
    shift: Rate | None = None
