"""S²GAN: a conditional GAN on labels that were inferred beforehand, from few known ones or from none."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from gantry.plan.blocks.base import Positive
from gantry.plan.methods import conditional

if TYPE_CHECKING:
    from gantry.plan.dataset import DatasetSpec
    from gantry.plan.recipe import Recipe


class Options(conditional.Options):
    """How labels are inferred, before the game begins and once for all runs that ask for the same.

    With `known` labels, balanced over the classes and chosen by `labels_seed`, a logistic regression on `features`
    tells all others; with `clusters` k-means makes so many classes of its own, and no label is read. `features` are
    those of a network that has learned for `pretraining` iterations by how much images were turned, or the samples'
    own numbers.
    """

    name: Literal["s2gan"]  # type: ignore[assignment]
    known: Positive | None = None
    clusters: Positive | None = None
    labels_seed: Annotated[int, Field(ge=0)] = 0
    features: Literal["rotation", "samples"] = "rotation"
    pretraining: Positive = 2000

    @model_validator(mode="after")
    def _labels_come_from_one_place(self) -> "Options":
        if (self.known is None) == (self.clusters is None):
            given = "neither" if self.known is None else "both"
            raise ValueError(
                "known, clusters: labels are inferred from known ones or by clusters: give one of the two "
                f"({given} given)"
            )
        return self

    @property
    def inferred(self) -> dict[str, Any]:
        told = self.model_dump(include={"known", "clusters", "labels_seed", "features"}, exclude_none=True)
        return told | ({"pretraining": self.pretraining} if self.features == "rotation" else {})

    @property
    def asks_for_codes(self) -> bool:  # type: ignore[override]
        return self.clusters is not None

    def check_data(self, recipe: "Recipe", name: str, spec: "DatasetSpec") -> None:
        if self.known is not None:
            conditional.need_known_labels(self.name, self.known, name, spec)

    def check(self, recipe: "Recipe") -> None:
        super().check(recipe)
        if self.features == "rotation" and recipe.networks.makes == "points":
            raise ValueError(
                "method.features rotation turns images, and these are points: set features: samples"
            )
