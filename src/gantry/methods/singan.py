"""SinGAN: a pyramid of small GANs of one picture's windows, trained from coarse to fine. Rott Shaham et al. 2019."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gantry.data.batches import Stream
from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.methods.base import Method, Phase, register
from gantry.methods.batch import Batch
from gantry.methods.sampler import Sampler
from gantry.methods.stage import Stage
from gantry.networks.shapes import image_shape
from gantry.networks.singan import Scales, WindowDiscriminator, resized, width_at
from gantry.plan.blocks.stepwise_networks import SinganNetworks
from gantry.plan.methods.singan import Options
from gantry.plan.recipe import Recipe

FALLS_TO = 0.1  # of the rates, for the last fifth of a scale's rounds


@dataclass(frozen=True)
class AtScale(Stage):
    """A stage of one scale, the coarsest being 0; `opens`: its first."""

    scale: int = 0
    opens: bool = True
    size: int = 0

    def told(self) -> dict[str, Any]:
        return {"start": self.start, "size": self.size, "batch_size": self.batch_size, "fades": False}


@register("singan")
class Singan(Method):
    """At scale n: L_D = D(x̂) − D(x) + λ·slopes, L_G = −D(x̂) + α·‖G(z*, 0, …) − x‖²; scales below stand still.

    The picture is one row of the data set. Scales that are done run in evaluation mode, as in the authors' code.
    """

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        super().__init__(recipe, data)
        options, networks = recipe.method, recipe.networks
        assert isinstance(options, Options) and isinstance(networks, SinganNetworks)
        self.options, self.networks_block = options, networks
        channels, resolution = image_shape(networks, data.sample)
        sizes = options.sizes(resolution)
        self.scales = Scales(networks, channels, sizes)
        self.discriminators = nn.ModuleList(
            WindowDiscriminator(channels, width_at(networks, scale)) for scale in range(len(sizes))
        )
        self.scale = 0

    @property
    def phases(self) -> tuple[Phase, ...]:
        updates = self.recipe.updates
        return (
            Phase("discriminator", (f"discriminators.{self.scale}",), updates.discriminator),
            Phase("generator", (f"scales.generators.{self.scale}",), updates.generator),
        )

    def stages(self) -> tuple[Stage, ...]:
        found: list[Stage] = []
        for scale, size in enumerate(self.scales.sizes):
            start, drop = self.options.starts(scale)
            told = {"batch_size": self.recipe.batch_size, "scale": scale, "size": size}
            found.append(AtScale(start, fresh=True, **told))  # type: ignore[arg-type]
            found.append(AtScale(drop, rate=FALLS_TO, opens=False, **told))  # type: ignore[arg-type]
        return tuple(found)

    def enter(self, stage: Stage) -> None:
        assert isinstance(stage, AtScale)
        scale = self.scale = stage.scale
        for players in (self.scales.generators, self.discriminators):
            if stage.opens and scale and self._as_wide_as_before(scale):
                players[scale].load_state_dict(players[scale - 1].state_dict())
            for number, player in enumerate(players):
                player.train(number >= scale)

    def _as_wide_as_before(self, scale: int) -> bool:
        return width_at(self.networks_block, scale) == width_at(self.networks_block, scale - 1)

    def streams(self, prepared: PreparedSet) -> dict[str, Stream]:
        if self.options.picture >= len(prepared):
            raise UserError(
                f"method.picture {self.options.picture}: data set {prepared.name} has pictures 0 to {len(prepared) - 1}"
            )
        return {"x": Stream(np.asarray([self.options.picture]))}

    def draw(self, phase: str, size: int, device: torch.device) -> dict[str, Tensor]:
        noise = {
            f"noise_{scale}": torch.randn(size, *self.scales.noise_shape(scale), device=device)
            for scale in range(self.scale + 1)
        }
        return noise | {"share": torch.rand(size, 1, 1, 1, device=device)}

    def loss(self, phase: str, batch: Batch) -> Tensor:
        scale, count = self.scale, len(batch.x)
        noise = [batch.noise[f"noise_{level}"] for level in range(scale + 1)]
        real = resized(batch.x, self.scales.sizes[scale])
        with torch.no_grad():
            below = self.scales.below(scale, noise, count)
            rebuilt_below = self._amplified(real)
        discriminator = self.discriminators[scale]
        assert isinstance(discriminator, WindowDiscriminator)
        if phase == "discriminator":
            with torch.no_grad():
                fake = self.scales.step(scale, below, noise[scale], count)
            game = discriminator(fake).mean() - discriminator(real).mean()
            between = torch.lerp(real, fake, batch.noise["share"])
            return game + self.options.penalty * slopes(discriminator, between)
        fake = self.scales.step(scale, below, noise[scale], count)
        rebuilt = self.scales.step(scale, rebuilt_below, self.scales.fixed if scale == 0 else None, 1)
        error = (rebuilt - real[:1]).square().mean()
        return self.options.reconstruction * error - discriminator(fake).mean()

    def _amplified(self, real: Tensor) -> Tensor | None:
        """Return the rebuilt picture of the scale below, and set this scale's amplitude by how far it is from `real`.

        The scales below stand still, so it is the same in every step of a scale.
        """
        rebuilt = self.scales.rebuilt(self.scale)
        if rebuilt is not None:
            error = (resized(rebuilt, real.shape[-1]) - real[:1]).square().mean().sqrt()
            self.scales.amplitudes[self.scale] = self.options.noise * error
        return rebuilt

    @property
    def kept(self) -> nn.Module:
        return self.scales

    def sampler(self, kept: nn.Module) -> Sampler:
        assert isinstance(kept, Scales)
        return SinganSampler(kept, self.data.sample[-1], self.options.picture)


def slopes(discriminator: WindowDiscriminator, images: Tensor) -> Tensor:
    """Return E[(‖∇‖ − 1)²], the norm being that over the channels of each pixel, as in the authors' code."""
    images = images.detach().requires_grad_(True)
    said = discriminator.map(images).sum()
    (gradient,) = torch.autograd.grad(said, images, create_graph=True)
    return (gradient.norm(dim=1) - 1).square().mean()


class SinganSampler(Sampler):
    """Samples from noise at all scales ("G1"), or from the second scale on ("fine"), and the rebuilt picture.

    Scales that have not begun yet pass on what they are given: their amplitude is 0, and they are left out.
    """

    mixed = False

    def __init__(self, scales: Scales, resolution: int, picture: int) -> None:
        self.scales = scales
        self.resolution = resolution
        self.picture = picture
        self.sources = ("G1", "fine")

    @cached_property
    def begun(self) -> int:
        """How many scales have begun."""
        return int((self.scales.amplitudes > 0).long().cumprod(0).sum())

    def inputs(
        self, source: str, rows: range, randomness: torch.Generator, held_out: PreparedSet | None = None
    ) -> dict[str, Tensor]:
        return {
            f"noise_{scale}": torch.randn(len(rows), *self.scales.noise_shape(scale), generator=randomness)
            for scale in range(len(self.scales.sizes))
        }

    def sample(self, source: str, inputs: Mapping[str, Tensor]) -> Tensor:
        if source == "fine":
            inputs = {**inputs, "noise_0": self.scales.fixed.expand(inputs["noise_0"].shape[0], -1, -1, -1)}
        return self.pyramid(inputs)[-1]

    def pyramid(self, inputs: Mapping[str, Tensor]) -> list[Tensor]:
        """Return the samples as they are after each scale, the coarsest first, all in the picture's size."""
        return self._made(
            [inputs[f"noise_{scale}"] for scale in range(self.begun)], inputs["noise_0"].shape[0]
        )

    def rebuilt_pyramid(self) -> list[Tensor]:
        """Return the rebuilt picture (1, C, R, R) after each scale."""
        return self._made([self.scales.fixed, *[None] * (self.begun - 1)], 1)

    def reconstruct(self, samples: Tensor) -> Tensor:
        """Return the rebuilt picture, once for each sample, whatever these are."""
        return self.rebuilt_pyramid()[-1].expand(len(samples), -1, -1, -1)

    def _made(self, noise: Sequence[Tensor | None], count: int) -> list[Tensor]:
        images: Tensor | None = None
        made = []
        for scale in range(self.begun):
            images = self.scales.step(scale, images, noise[scale], count)
            made.append(resized(images, self.resolution))
        return made
