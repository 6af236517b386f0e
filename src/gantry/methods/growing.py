"""Growth: both networks begin with small images, and every level is faded in. Karras et al. 2018, section 2."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gantry.data.shape import DataShape
from gantry.methods.adversarial import Adversarial, GeneratorSampler
from gantry.methods.base import register
from gantry.methods.batch import Batch
from gantry.methods.sampler import Sampler
from gantry.methods.stage import Stage
from gantry.networks.growing import Growing as GrowingNetwork
from gantry.networks.growing import enlarged, shrunk
from gantry.plan.blocks.players import Latent
from gantry.plan.methods.growing import GrowthSpan, Options
from gantry.plan.recipe import Recipe


@dataclass(frozen=True)
class Growth(Stage):
    """A stage with a size, which may be fading in."""

    span: GrowthSpan | None = None

    def told(self) -> dict[str, Any]:
        assert self.span is not None
        span = self.span
        return {"start": span.start, "size": span.size, "batch_size": span.batch_size, "fades": span.fades}


@register("growing")
class Growing(Adversarial):
    """The game of two at the size of the stage: real images are shrunk, and faded as the generated ones are."""

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        super().__init__(recipe, data)
        options: Options = recipe.method  # type: ignore[assignment]
        spans = options.growth(recipe.batch_size, data.sample[-1])
        decay = {
            span: None if options.half_life is None else 0.5 ** (span.batch_size / options.half_life)
            for span in spans
        }
        self._stages = tuple(
            Growth(
                span.start,
                batch_size=span.batch_size,
                fresh=options.fresh,
                rate=span.rate,
                ema=decay[span],
                span=span,
            )
            for span in spans
        )
        self.span = spans[0]

    def stages(self) -> tuple[Stage, ...]:
        return self._stages

    def enter(self, stage: Stage) -> None:
        assert isinstance(stage, Growth) and stage.span is not None
        self.span = stage.span
        for network in self._networks():
            network.stand(self.span.size, self.span.fades)

    def begin(self, iteration: int, device: torch.device) -> None:
        super().begin(iteration, device)
        for network in self._networks():
            network.share.fill_(self.span.share(iteration))

    def loss(self, phase: str, batch: Batch) -> Tensor:
        seen = Batch({"x": self.shown(batch.x)}, batch.labels, batch.noise)
        return super().loss(phase, seen)

    def shown(self, real: Tensor) -> Tensor:
        """Return real images (B, C, R, R) at the stage's size; in a fade (1 − α)·up(pool(x)) + α·x."""
        images = shrunk(real, real.shape[-1] // self.span.size)
        if not self.span.fades:
            return images
        network = next(self._networks())
        return network.faded(enlarged(shrunk(images)), images)

    def sampler(self, kept: nn.Module) -> Sampler:
        return GrowingSampler(kept, self.recipe.latent, self.data.sample[-1])

    def _networks(self) -> Iterator[GrowingNetwork]:
        """The growing networks of both players."""
        return growing_networks(self)


def growing_networks(module: nn.Module) -> Iterator[GrowingNetwork]:
    """Yield the growing networks in `module`."""
    return (each for each in module.modules() if isinstance(each, GrowingNetwork))


class GrowingSampler(GeneratorSampler):
    """Samples of generators where they stand, enlarged to the data's `resolution` by repeating pixels."""

    def __init__(self, generators: nn.Module, latent: Latent, resolution: int) -> None:
        super().__init__(generators, latent)
        self.resolution = resolution
        for network in growing_networks(generators):
            network.recall()

    def sample(self, source: str, inputs: Mapping[str, Tensor]) -> Tensor:
        images = super().sample(source, inputs)
        return enlarged(images, self.resolution // images.shape[-1])
