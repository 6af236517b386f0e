"""S²GAN-CO and S³GAN: a conditional GAN where few labels are known and the discriminator predicts the others."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from gantry.plan.blocks.base import Positive, Strict, Weight
from gantry.plan.methods import conditional

if TYPE_CHECKING:
    from gantry.plan.dataset import DatasetSpec
    from gantry.plan.recipe import Recipe


class Rotation(Strict):
    """Weights of the cross-entropies with which D tells by how much images were turned: in its own loss and in G's.

    `at_random` draws what turned images are said to be turned by, in both losses: the control, which teaches D nothing.
    """

    discriminator: Weight = 1.0
    generator: Weight = 0.2
    at_random: bool = False


class Options(conditional.Options):
    """How many labels are `known`, balanced over the classes and chosen by `labels_seed`; all others are hidden.

    `predicts` weighs the cross-entropy of D's class head on the known ones. With `rotation` it is S³GAN, without
    S²GAN-CO. `unknown` says what the projection reads of a sample whose label is hidden: the class head's likeliest,
    or none (a zero row, the control).
    """

    name: Literal["s3gan"]  # type: ignore[assignment]
    known: Positive
    labels_seed: Annotated[int, Field(ge=0)] = 0
    discriminator: Literal["projection"] = "projection"
    predicts: Weight = 1.0
    unknown: Literal["predicted", "zero"] = "predicted"
    rotation: Rotation | None = None

    @property
    def tells_turns(self) -> bool:
        return self.rotation is not None

    @model_validator(mode="after")
    def _classes_are_told_by_its_own_head(self) -> "Options":
        if self.classification is not None:
            raise ValueError("classification: s3gan's class head learns from known labels: set predicts")
        if self.mismatched:
            raise ValueError("mismatched: which pairs do not fit is not known where labels are hidden")
        return self

    def check_data(self, recipe: "Recipe", name: str, spec: "DatasetSpec") -> None:
        conditional.need_known_labels(self.name, self.known, name, spec)

    def check(self, recipe: "Recipe") -> None:
        super().check(recipe)
        if self.rotation is not None and recipe.networks.makes == "points":
            raise ValueError("method.rotation turns images, and these are points: take it away")
