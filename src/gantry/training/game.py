"""The game: K generators against a discriminator, with an objective and terms on top."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from gantry.networks import build_generator, choose_reference, one_pass_is_exact
from gantry.objectives import build_objective
from gantry.plan.blocks.players import Latent
from gantry.plan.recipe import Recipe
from gantry.terms import Batch, build_terms
from gantry.training.discriminators import build_discriminators


class Latents:
    """Draws z for one update: a list of views, [z] or [z, z + Δz].

    z is (B, dimension), standard normal or uniform on [−1, 1], times the recipe's scale; it comes from the
    default generator of its device, so the state of a run contains the whole of its randomness.
    """

    def __init__(self, latent: Latent, batch_size: int, device: torch.device) -> None:
        self.latent = latent
        self.shape = (batch_size, latent.dimension)
        self.device = device

    def next(self) -> list[Tensor]:
        """Return the views of a fresh batch of z."""
        z = draw_latents(self.latent, self.shape[0], self.device)
        if self.latent.shift is None:
            return [z]
        return [z, z + self.latent.shift * torch.randn(self.shape, device=self.device)]


def draw_latents(
    latent: Latent, count: int, device: torch.device, generator: torch.Generator | None = None
) -> Tensor:
    """Return (count, dimension) float32 latents, from `generator` or the device's default one."""
    shape = (count, latent.dimension)
    if latent.distribution == "uniform":
        z = 2 * torch.rand(shape, device=device, generator=generator) - 1
    else:
        z = torch.randn(shape, device=device, generator=generator)
    return latent.scale * z


class Game(nn.Module):
    """What the players are and what each wants; four verbs: build, two losses, sample.

    All the generators of a step see the same z. Nothing here moves weights: see `step.py`.
    """

    def __init__(self, recipe: Recipe, sample_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.objective = build_objective(recipe.objective)
        self.generators = nn.ModuleList(
            build_generator(recipe.networks, recipe.latent.dimension, sample_shape)
            for _ in range(recipe.generators)
        )
        for generator in self.generators:
            choose_reference(generator, lambda count: draw_latents(recipe.latent, count, torch.device("cpu")))
        self.discriminator = build_discriminators(recipe, sample_shape, self.objective)
        for_discriminator, for_generators = build_terms(recipe.terms, recipe.objective, sample_shape)
        self.discriminator_weights = [weight for weight, _ in for_discriminator]
        self.discriminator_terms = nn.ModuleList(term for _, term in for_discriminator)
        self.generator_weights = [weight for weight, _ in for_generators]
        self.generator_terms = nn.ModuleList(term for _, term in for_generators)
        self.one_pass = one_pass_is_exact(self.discriminator)
        # Convolutions run channels last on CPUs and GPUs; weights in that order spare them a copy every time.
        self.to(memory_format=torch.channels_last)

    def discriminator_parameters(self) -> list[nn.Parameter]:
        """The weights that D's update moves: D's, and those of its terms."""
        return [*self.discriminator.parameters(), *self.discriminator_terms.parameters()]

    def generator_parameters(self) -> list[nn.Parameter]:
        """The weights that the generators' update moves: theirs, and those of their terms."""
        return [*self.generators.parameters(), *self.generator_terms.parameters()]

    def verdicts(self, batches: Sequence[Tensor]) -> list[Tensor]:
        """Return D's raw outputs (B·v, outputs) for each batch, in one pass where that is the same.

        They are float32 or wider, whatever D computes in, and so are the losses, which are functions of them.
        """
        if not self.one_pass:
            return [_at_least_single(self.discriminator(batch)) for batch in batches]
        outputs = _at_least_single(self.discriminator(torch.cat(list(batches))))
        # D may give several verdicts on each sample, or one on several; a batch's rows stand together.
        samples = sum(len(batch) for batch in batches)
        return list(outputs.split([len(outputs) * len(batch) // samples for batch in batches]))

    def generate(self, views: Sequence[Tensor]) -> list[Tensor]:
        """Return one batch of samples for each generator and view, generators first."""
        return [generator(z) for generator in self.generators for z in views]

    def discriminator_loss(self, real: Tensor, views: Sequence[Tensor]) -> Tensor:
        """loss_D on one real batch and the generators' answers to `views`; a scalar."""
        with torch.no_grad():
            fakes = self.generate(views)
        return self.discriminator_loss_of(real, fakes)

    def discriminator_loss_of(self, real: Tensor, fakes: Sequence[Tensor]) -> Tensor:
        """loss_D on one real batch and given generated ones; a scalar."""
        real_outputs, *fake_outputs = self.verdicts([real, *fakes])
        loss = self.objective.discriminator_loss(real_outputs, fake_outputs)
        batch = self._seen(real, real_outputs, fakes, fake_outputs)
        return loss + _weighted(self.discriminator_weights, self.discriminator_terms, batch)

    def generator_loss(self, real: Tensor, views: Sequence[Tensor]) -> Tensor:
        """loss_G on the generators' answers to `views`, `real` serving as a constant reference; a scalar."""
        return self.generator_loss_of(real, self.generate(views))

    def generator_loss_of(self, real: Tensor, fakes: Sequence[Tensor]) -> Tensor:
        """loss_G on given generated batches, `real` serving as a constant reference; a scalar."""
        # D sees the real batch first, as in RealnessGAN's code: it may draw, or iterate, with each pass.
        real_outputs = None
        if self.objective.generator_uses_real:
            with torch.no_grad():
                (real_outputs,) = self.verdicts([real])
        fake_outputs = self.verdicts(fakes)
        loss = self.objective.generator_loss(real_outputs, fake_outputs)
        self.objective.advance(real_outputs, fake_outputs)
        batch = self._seen(real, real_outputs, fakes, fake_outputs)
        return loss + _weighted(self.generator_weights, self.generator_terms, batch)

    def _seen(
        self,
        real: Tensor,
        real_outputs: Tensor | None,
        fakes: Sequence[Tensor],
        fake_outputs: Sequence[Tensor],
    ) -> Batch:
        """What the terms of one update are given."""
        game = self.discriminator, self.generators, self.objective.discriminators, self.objective
        return Batch(fakes, fake_outputs, real, real_outputs, *game)


def _at_least_single(outputs: Tensor) -> Tensor:
    return outputs.to(torch.promote_types(outputs.dtype, torch.float32))


def _weighted(weights: Sequence[float], terms: Iterable[nn.Module], batch: Batch) -> Tensor | float:
    return sum(weight * term(batch) for weight, term in zip(weights, terms, strict=True))
