"""Growth: both networks begin with small images, and every level is faded in. Karras et al. 2018, section 2."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.methods.adversarial import Adversarial, GeneratorSampler
from gantry.methods.base import register
from gantry.methods.batch import Batch
from gantry.methods.latents import draw_latents
from gantry.methods.sampler import Sampler
from gantry.methods.stage import Stage
from gantry.networks.pggan import Growing as GrowingNetwork
from gantry.networks.pggan import enlarged, shrunk
from gantry.networks.stylegan import StyleGenerator
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

    def refill(self, iteration: int) -> None:
        super().refill(iteration)
        for network in self._networks():
            network.share.fill_(self.span.share(iteration))

    def draw(self, phase: str, size: int, device: torch.device) -> dict[str, Tensor]:
        noise = super().draw(phase, size, device)
        generator = self.generators[0]
        assert isinstance(generator, GrowingNetwork)
        if isinstance(generator, StyleGenerator) and generator.mixing:
            noise["z_mixed"] = draw_latents(self.recipe.latent, size, device)
            noise["crossover"] = generator.draw_crossover(size, device)
        return noise | generator.draws(size, device)

    def generate(self, noise: Mapping[str, Tensor]) -> list[Tensor]:
        latents = [noise[name] for name in ("z", "z_shifted") if name in noise]
        beside = {name: value for name, value in noise.items() if name not in ("z", "z_shifted")}
        return [generator(z, **beside) for generator in self.generators for z in latents]

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
        styled = any(isinstance(child, StyleGenerator) for child in kept.children())
        kind = StyleSampler if styled else GrowingSampler
        return kind(kept, self.recipe.latent, self.data.sample[-1])

    def _networks(self) -> Iterator[GrowingNetwork]:
        """The growing networks of both players."""
        return growing_networks(self)


def growing_networks(module: nn.Module) -> Iterator[GrowingNetwork]:
    """Yield the growing networks in `module`."""
    return (part for part in module.modules() if isinstance(part, GrowingNetwork))


class GrowingSampler(GeneratorSampler):
    """Samples of generators where they stand, enlarged to the data's `resolution` by repeating pixels."""

    def __init__(self, generators: nn.Module, latent: Latent, resolution: int) -> None:
        super().__init__(generators, latent)
        self.resolution = resolution
        for network in growing_networks(generators):
            network.recall()

    def inputs(
        self, source: str, rows: range, randomness: torch.Generator, held_out: PreparedSet | None = None
    ) -> dict[str, Tensor]:
        drawn = super().inputs(source, rows, randomness, held_out)
        network = self.generators[source]
        assert isinstance(network, GrowingNetwork)
        return drawn | network.draws(len(rows), torch.device("cpu"), randomness)

    def sample(self, source: str, inputs: Mapping[str, Tensor]) -> Tensor:
        return self.of_full_size(self.generators[source](**inputs))

    def of_full_size(self, images: Tensor) -> Tensor:
        """Return images of the data's size, those of a level before it enlarged."""
        return enlarged(images, self.resolution // images.shape[-1])


class StyleSampler(GrowingSampler):
    """Samples of generators with styles, whose w may be truncated or mixed."""

    def __init__(self, generators: nn.Module, latent: Latent, resolution: int) -> None:
        super().__init__(generators, latent, resolution)
        self.psi = 1.0
        self.cutoff: int | None = None

    def truncate(self, psi: float, cutoff: int | None) -> None:
        self.psi, self.cutoff = psi, cutoff

    def styles(self, source: str, z: Tensor) -> list[Tensor]:
        """Return the w (N, W) of each active layer, truncated."""
        generator = self._generator(source)
        return generator.truncated(generator.mapping(z), self.psi, self.cutoff)

    def sample(self, source: str, inputs: Mapping[str, Tensor]) -> Tensor:
        return self._made(source, inputs, self.styles(source, inputs["z"]))

    def mix(self, source: str, inputs: Mapping[str, Tensor], others: Tensor, layers: range) -> Tensor:
        given, other = self.styles(source, inputs["z"]), self.styles(source, others)
        mixed = [other[layer] if layer in layers else w for layer, w in enumerate(given)]
        return self._made(source, inputs, mixed)

    def between(self, source: str, inputs: Mapping[str, Tensor], others: Tensor, t: Tensor) -> Tensor:
        given, other = self.styles(source, inputs["z"]), self.styles(source, others)
        ways = [torch.lerp(a, b, t[:, None]) for a, b in zip(given, other, strict=True)]
        return self._made(source, inputs, ways)

    def _made(self, source: str, inputs: Mapping[str, Tensor], styles: list[Tensor]) -> Tensor:
        noise = {name: value for name, value in inputs.items() if name != "z"}
        return self.of_full_size(self._generator(source).synthesise(styles, **noise))

    def _generator(self, source: str) -> StyleGenerator:
        generator = self.generators[source]
        assert isinstance(generator, StyleGenerator)
        return generator
