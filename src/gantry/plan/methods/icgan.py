"""IcGAN: two encoders, of latents and of conditions, that are fitted to a finished conditional GAN."""

from typing import TYPE_CHECKING, ClassVar, Literal

from gantry.plan.blocks.base import Positive
from gantry.plan.methods import conditional

if TYPE_CHECKING:
    from gantry.plan.dataset import DatasetSpec
    from gantry.plan.recipe import Recipe


class Options(conditional.Options):
    """Those of `conditional`, and the iteration from which on the GAN stands still and the encoders learn."""

    phases: ClassVar[tuple[str, ...]] = ("discriminator", "generator", "encoder")
    classifies: ClassVar[bool] = True
    reads_labels: ClassVar[bool] = True

    name: Literal["icgan"]  # type: ignore[assignment]
    encoders_from: Positive

    def check_data(self, recipe: "Recipe", name: str, spec: "DatasetSpec") -> None:
        super().check_data(recipe, name, spec)
        if spec.labels == "vectors":
            raise ValueError(
                f"method icgan: its second encoder tells classes or attributes, and data set {name} has vectors: take "
                "a set of those, or method conditional"
            )

    def check_workload(self, recipe: "Recipe", resolution: int | None, iterations: int) -> None:
        super().check_workload(recipe, resolution, iterations)
        if self.encoders_from >= iterations:
            raise ValueError(
                f"encoders_from {self.encoders_from}: the run has {iterations} iterations, and leaves the encoders "
                "none: take less, or lengthen the workload"
            )
