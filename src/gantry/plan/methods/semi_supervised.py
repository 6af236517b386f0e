"""The semi-supervised GAN of Salimans et al. 2016: the discriminator classifies, a few labels are known."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from gantry.plan.blocks.base import Positive, Rate, Weight
from gantry.plan.methods.base import MethodOptions
from gantry.plan.methods.conditional import (
    need_dense_end,
    need_known_labels,
    refuse_what_needs_the_game_of_two,
)

if TYPE_CHECKING:
    from gantry.plan.dataset import DatasetSpec
    from gantry.plan.recipe import Recipe


class Options(MethodOptions):
    """How many labels are `known`, balanced over the classes and chosen by `labels_seed`; all others are hidden.

    `matching` is the distance of mean features that G minimises: of squares (their code for MNIST) or absolute
    values (for CIFAR-10). `unlabelled: 0` weighs the game out of D's loss: the classifier that labels alone give,
    the control; `unlabelled_of: noise` puts uniform noise in the place of the unlabelled samples, another one. `noise`
    is the deviation of Gaussian noise on what D reads.
    """

    classifies: ClassVar[bool] = True
    reads_labels: ClassVar[bool] = True

    name: Literal["semi_supervised"]
    known: Positive
    labels_seed: Annotated[int, Field(ge=0)] = 0
    matching: Literal["squares", "absolute"] = "squares"
    labelled: Rate = 1.0
    unlabelled: Weight = 0.5
    unlabelled_of: Literal["data", "noise"] = "data"
    noise: Weight = 0.0

    def check_data(self, recipe: "Recipe", name: str, spec: "DatasetSpec") -> None:
        need_known_labels(self.name, self.known, name, spec)

    def check(self, recipe: "Recipe") -> None:
        refuse_what_needs_the_game_of_two(self.name, recipe)
        need_dense_end(self.name, recipe)
        if recipe.objective.name != "non_saturating":
            raise ValueError(
                "method semi_supervised reads log Σ exp of the class logits as the logit of the standard game: set "
                f"objective: {{name: non_saturating}} (given: {recipe.objective.name})"
            )
