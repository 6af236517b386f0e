"""The game of two: K generators against a discriminator, with an objective and terms on top."""

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from gantry.data.shape import DataShape
from gantry.methods.adversary import Adversary
from gantry.methods.base import Method, Phase, register
from gantry.methods.batch import Batch
from gantry.methods.discriminators import build_discriminators
from gantry.methods.latents import LatentSampler, draw_latents
from gantry.methods.sampler import Sampler
from gantry.methods.streams import side_by_side
from gantry.methods.unroll import LookAhead
from gantry.networks import build_generator, choose_reference
from gantry.objectives import build_objective
from gantry.plan.blocks.players import Latent
from gantry.plan.recipe import Recipe
from gantry.terms import build_terms


@register("adversarial")
class Adversarial(Method):
    """Goodfellow et al. 2014, with any objective, networks and terms, and several generators.

    All the generators of a step see the same latents: z, and z + Δz where the recipe shifts them.
    """

    adversary: Adversary

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        super().__init__(recipe, data)
        objective = build_objective(recipe.objective)
        self.generators = nn.ModuleList(
            build_generator(recipe.networks, recipe.latent.dimension, data.sample)
            for _ in range(recipe.generators)
        )
        for generator in self.generators:
            choose_reference(generator, lambda count: draw_latents(recipe.latent, count, torch.device("cpu")))
        self.discriminator = build_discriminators(recipe, data.sample, objective)
        terms = build_terms(recipe.terms, recipe.objective, data.sample)
        adversary = Adversary(self.discriminator, objective, *terms)
        self.discriminator_terms = adversary.discriminator_terms
        self.generator_terms = adversary.generator_terms
        # Its modules are registered here, and itself is not: states keep the names that weights have had since
        # before there were adversaries.
        self.__dict__["adversary"] = adversary
        self.look_ahead: LookAhead | None = None

    @property
    def phases(self) -> tuple[Phase, ...]:
        updates = self.recipe.updates
        return (
            Phase("discriminator", ("discriminator", "discriminator_terms"), updates.discriminator),
            Phase("generator", ("generators", "generator_terms"), updates.generator),
        )

    def bind(self, optimisers: Mapping[str, torch.optim.Optimizer]) -> None:
        if self.recipe.unroll:
            self.look_ahead = LookAhead(self, optimisers["discriminator"], self.recipe.unroll)

    def draw(self, phase: str, size: int, device: torch.device) -> dict[str, Tensor]:
        latent = self.recipe.latent
        noise = {"z": draw_latents(latent, size, device)}
        if latent.shift is not None:
            noise["z_shifted"] = noise["z"] + latent.shift * torch.randn(noise["z"].shape, device=device)
        return noise

    def generate(self, noise: Mapping[str, Tensor]) -> list[Tensor]:
        """Return one batch of samples for each generator and latent, generators first."""

        def views(generator: nn.Module) -> list[Tensor]:
            return [generator(z) for z in noise.values()]

        return side_by_side([partial(views, generator) for generator in self.generators], noise["z"].device)

    def loss(self, phase: str, batch: Batch) -> Tensor:
        if phase == "discriminator":
            with torch.no_grad():
                fakes = self.generate(batch.noise)
            return self.discriminator_loss(batch.x, fakes)
        fakes = self.generate(batch.noise)
        if self.look_ahead is not None:
            return self.look_ahead.generator_loss(batch.x, fakes)
        return self.generator_loss(batch.x, fakes)

    def discriminator_loss(self, real: Tensor, fakes: Sequence[Tensor]) -> Tensor:
        """Return loss_D on one real batch and generated ones; a scalar."""
        return self.adversary.discriminator_loss(real, fakes, self.generators)

    def generator_loss(self, real: Tensor, fakes: Sequence[Tensor]) -> Tensor:
        """Return loss_G on generated batches, `real` serving as a constant reference; a scalar."""
        return self.adversary.generator_loss(real, fakes, self.generators)

    def adversaries(self) -> dict[str, Adversary]:
        return {"": self.adversary}

    @property
    def kept(self) -> nn.Module:
        return self.generators

    def sampler(self, kept: nn.Module) -> Sampler:
        kind = PartsSampler if all(hasattr(child, "parts") for child in kept.children()) else GeneratorSampler
        return kind(kept, self.recipe.latent)


class GeneratorSampler(LatentSampler):
    """Samples of generators that start from z alone; "G1" is the first."""

    def __init__(self, generators: nn.Module, latent: Latent) -> None:
        self.generators = {
            f"G{number}": generator for number, generator in enumerate(generators.children(), 1)
        }
        self.sources = tuple(self.generators)
        self.latent = latent

    def sample(self, source: str, inputs: Mapping[str, Tensor]) -> Tensor:
        samples: Tensor = self.generators[source](inputs["z"])
        return samples


class PartsSampler(GeneratorSampler):
    """Samples of generators that put them together: of layers, of canvases."""

    def parts(self, source: str, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        parts: dict[str, Tensor] = self.generators[source].parts(inputs["z"])  # type: ignore[operator]
        return parts
