"""LAPGAN: pictures are made from coarse to fine, and every level has a game of its own. Denton et al. 2015."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.methods.adversary import Adversary
from gantry.methods.base import Method, Phase, game_phases, register
from gantry.methods.batch import Batch
from gantry.methods.latents import draw_latents
from gantry.methods.sampler import Sampler
from gantry.networks.lapgan import Cascade, build_level_discriminators, enlarged_to, pyramid, up
from gantry.networks.shapes import image_shape
from gantry.plan.blocks.players import Latent
from gantry.plan.blocks.stepwise_networks import LapganNetworks
from gantry.plan.recipe import Recipe


@register("lapgan")
class Lapgan(Method):
    """Σ over levels of a game between I and u + G(u, noise), u being an enlarged coarse picture; the base makes of z.

    No level sees what another makes, so all learn in the same iterations as if each were alone. Coarse pictures of
    generated ones are those of other real images, as in the authors' code.
    """

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        super().__init__(recipe, data)
        networks = recipe.networks
        assert isinstance(networks, LapganNetworks)
        channels, resolution = image_shape(networks, data.sample)
        self.cascade = Cascade(networks, recipe.latent.dimension, channels, resolution)
        self.level_adversaries = nn.ModuleList(
            Adversary.of(recipe, discriminator, (channels, size, size))
            for size, discriminator in zip(
                self.cascade.sizes, build_level_discriminators(networks, data.sample, 1), strict=True
            )
        )

    @property
    def phases(self) -> tuple[Phase, ...]:
        adversaries = [f"level_adversaries.{level}" for level in range(len(self.cascade.sizes))]
        return game_phases(self.recipe.updates, "cascade", adversaries=adversaries)

    def draw(self, phase: str, size: int, device: torch.device) -> dict[str, Tensor]:
        return draw_noise(self.recipe.latent, self.cascade.sizes, size, device)

    def loss(self, phase: str, batch: Batch) -> Tensor:
        losses = []
        levels = pyramid(batch.x, self.cascade.sizes[0])
        made = self.made(levels, batch.noise)
        for adversary, real, fake in zip(self.level_adversaries, levels, made, strict=True):
            assert isinstance(adversary, Adversary)
            if phase == "discriminator":
                losses.append(adversary.discriminator_loss(real, [fake.detach()], self.cascade))
            else:
                losses.append(adversary.generator_loss(real, [fake], self.cascade))
        return torch.stack(losses).sum()

    def made(self, levels: list[Tensor], noise: Mapping[str, Tensor]) -> list[Tensor]:
        """Return what each level makes: of z, and of the coarse pictures of other real images."""
        images = [self.cascade.base(noise["z"])]
        for size, generator, coarse in zip(self.cascade.sizes[1:], self.cascade.bands, levels, strict=False):
            other = up(coarse.roll(1, 0))
            images.append(other + generator(other, noise[f"noise_{size}"]))
        return images

    @property
    def kept(self) -> nn.Module:
        return self.cascade

    def sampler(self, kept: nn.Module) -> Sampler:
        assert isinstance(kept, Cascade)
        return CascadeSampler(kept, self.recipe.latent)


def draw_noise(
    latent: Latent,
    sizes: list[int],
    count: int,
    device: torch.device,
    randomness: torch.Generator | None = None,
) -> dict[str, Tensor]:
    """Draw z, and a plane on [−1, 1] for every size above the smallest."""
    noise = {"z": draw_latents(latent, count, device, randomness)}
    for size in sizes[1:]:
        shape = (count, 1, size, size)
        noise[f"noise_{size}"] = 2 * torch.rand(shape, device=device, generator=randomness) - 1
    return noise


class CascadeSampler(Sampler):
    """Samples of the whole cascade ("G1"), and what it has made at the sizes before ("16", "8"), enlarged."""

    mixed = False

    def __init__(self, cascade: Cascade, latent: Latent) -> None:
        self.cascade = cascade
        self.latent = latent
        self.sources = ("G1", *(str(size) for size in cascade.sizes[-2::-1]))

    def inputs(
        self, source: str, rows: range, randomness: torch.Generator, held_out: PreparedSet | None = None
    ) -> dict[str, Tensor]:
        return draw_noise(self.latent, self.cascade.sizes, len(rows), torch.device("cpu"), randomness)

    def sample(self, source: str, inputs: Mapping[str, Tensor]) -> Tensor:
        images: list[Tensor] = self.cascade(inputs["z"], inputs)
        chosen = images[-1 if source == "G1" else self.cascade.sizes.index(int(source))]
        return enlarged_to(chosen, self.cascade.sizes[-1])
