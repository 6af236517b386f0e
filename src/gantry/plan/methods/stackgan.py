"""StackGAN: a coarse image of a condition, then, that stage standing still, a finer one of both."""

from typing import TYPE_CHECKING, ClassVar, Literal

from gantry.plan.blocks.base import Positive, Weight
from gantry.plan.methods.base import MethodOptions
from gantry.plan.methods.conditional import (
    need_captions,
    need_family,
    need_finer_sizes,
    need_held_out_rows,
    need_labels,
    refuse_what_needs_the_game_of_two,
)

if TYPE_CHECKING:
    from gantry.plan.dataset import DatasetSpec
    from gantry.plan.recipe import Recipe


class StackedOptions(MethodOptions):
    """What both have: numbers of ĉ (`augmentation`) and of D's embedding (`width`), and weights of D's and G's losses.

    `kl` weighs the divergence of ĉ from a standard normal, the mean over its numbers. `drawn: false` takes μ for ĉ,
    the control. Of so many `captions` of a sample, drawn anew each time, the condition is the mean. `shuffled` gives
    every sample the label of another one, another control.
    """

    asks_for_labels: ClassVar[bool] = True
    reads_labels: ClassVar[bool] = True

    augmentation: Positive = 128
    width: Positive = 128
    kl: Weight = 2.0
    captions: Positive = 1
    drawn: bool = True
    shuffled: bool = False

    def check_data(self, recipe: "Recipe", name: str, spec: "DatasetSpec") -> None:
        need_labels(self.name, name, spec, only_classes=False)
        need_held_out_rows(self.name, name, spec)
        need_captions(self.captions, name, spec)

    def check(self, recipe: "Recipe") -> None:
        refuse_what_needs_the_game_of_two(self.name, recipe)
        need_family(self.name, recipe, "stackgan", "stages")
        if recipe.objective.name != "non_saturating":
            raise ValueError(
                f"method {self.name} weighs pairs of three kinds in the standard game: set objective: {{name: "
                f"non_saturating}} (given: {recipe.objective.name})"
            )
        if recipe.terms != type(recipe.terms)():
            raise ValueError(f"method {self.name} has losses of its own: take terms away")

    def check_workload(self, recipe: "Recipe", resolution: int | None, iterations: int) -> None:
        need_finer_sizes(recipe, resolution, "finer image of")


class Options(StackedOptions):
    """Stage I learns up to iteration `first`, stage II from there on; mismatched and generated pairs weigh ½ in D."""

    name: Literal["stackgan"]
    first: Positive = 10000

    def check_workload(self, recipe: "Recipe", resolution: int | None, iterations: int) -> None:
        super().check_workload(recipe, resolution, iterations)
        if self.first >= iterations:
            raise ValueError(
                f"first: stage I takes {self.first} iterations, and the run has {iterations}: lengthen the workload, "
                "or shorten it"
            )
