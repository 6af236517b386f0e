"""Triple-GAN: a generator of pairs, a classifier, and a discriminator that judges the pairs of both."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from gantry.plan.blocks.base import Positive, Weight
from gantry.plan.methods.base import MethodOptions
from gantry.plan.methods.conditional import (
    check_way_in,
    need_dense_end,
    need_known_labels,
    refuse_virtual_batch_norm,
    refuse_what_needs_the_game_of_two,
)

if TYPE_CHECKING:
    from gantry.plan.dataset import DatasetSpec
    from gantry.plan.recipe import Recipe


class Options(MethodOptions):
    """How many labels are `known`, balanced over the classes and chosen by `labels_seed`; all others are hidden.

    Of the classifier's loss: `pseudo`, α_P, weighs its cross-entropy on generated pairs, from iteration `pseudo_from`
    on; `adversarial`, α, what D makes of its own pairs: in expectation over all classes (`integrate`, a pass of D a
    class) or of the likeliest alone; `consistency` the square between its answers under two draws of noise, whose
    deviation is `noise`. With all three 0 it learns from the labels alone, the control.
    """

    phases: ClassVar[tuple[str, ...]] = ("discriminator", "generator", "classifier")
    classifies: ClassVar[bool] = True
    asks_for_labels: ClassVar[bool] = True
    reads_labels: ClassVar[bool] = True

    name: Literal["triple_gan"]
    known: Positive
    labels_seed: Annotated[int, Field(ge=0)] = 0
    generator: Literal["concat", "batch_norm", "shared"] = "concat"
    discriminator: Literal["planes", "joined", "projection"] = "planes"
    # Of the embeddings of `shared` and `joined`.
    width: Positive = 128
    chunks: bool = False
    pseudo: Weight = 0.1
    pseudo_from: Annotated[int, Field(ge=0)] = 0
    adversarial: Weight = 0.01
    integrate: bool = True
    consistency: Weight = 0.0
    noise: Weight = 0.0

    def check_data(self, recipe: "Recipe", name: str, spec: "DatasetSpec") -> None:
        need_known_labels(self.name, self.known, name, spec)

    def check_workload(self, recipe: "Recipe", resolution: int | None, iterations: int) -> None:
        check_way_in(self.generator, self.chunks, recipe, resolution)

    def check(self, recipe: "Recipe") -> None:
        refuse_what_needs_the_game_of_two(self.name, recipe)
        need_dense_end(self.name, recipe)
        refuse_virtual_batch_norm(recipe)
        if recipe.objective.name != "non_saturating":
            raise ValueError(
                "method triple_gan weighs pairs of two kinds in the standard game: set objective: {name: "
                f"non_saturating}} (given: {recipe.objective.name})"
            )
        if self.chunks and self.generator != "shared":
            raise ValueError(f"chunks: only generator shared cuts z (given generator: {self.generator})")
        if self.consistency and not self.noise:
            raise ValueError(
                "method.consistency compares answers under noise, and noise is 0: set noise: 0.1, say"
            )
