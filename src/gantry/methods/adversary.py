"""An adversary: a discriminator with its objective, its terms, and its pool of earlier samples."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gantry.networks import one_pass_is_exact
from gantry.networks.output import DiscriminatorOutput
from gantry.objectives import Objective, build_objective
from gantry.plan.recipe import Recipe
from gantry.terms import DiscriminatorTerm, GeneratorTerm, TermInputs, build_terms

NO_NOISE: Mapping[str, Tensor] = {}


class Adversary(nn.Module):
    """The two losses of one discriminator and those who play against it.

    It sees whatever the method gives it: samples, pairs (joined), codes. Every objective and term works in it.
    `discriminator_terms` and `generator_terms` are (weight, term) pairs; `pool`, where there is one, keeps earlier
    generated samples, and hands out (B, …) for (B, …) to the discriminator's loss.
    """

    def __init__(
        self,
        discriminator: nn.Module,
        objective: Objective,
        discriminator_terms: Sequence[tuple[float, DiscriminatorTerm]] = (),
        generator_terms: Sequence[tuple[float, GeneratorTerm]] = (),
        pool: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.discriminator = discriminator
        self.objective = objective
        self.discriminator_weights = [weight for weight, _ in discriminator_terms]
        self.discriminator_terms = nn.ModuleList(term for _, term in discriminator_terms)
        self.generator_weights = [weight for weight, _ in generator_terms]
        self.generator_terms = nn.ModuleList(term for _, term in generator_terms)
        self.pool = pool
        self.one_pass = one_pass_is_exact(discriminator)

    @classmethod
    def of(
        cls, recipe: Recipe, discriminator: nn.Module, shape: tuple[int, ...], pool: nn.Module | None = None
    ) -> "Adversary":
        """Return `discriminator` with the recipe's objective, and its terms on samples of `shape`."""
        terms = build_terms(recipe.terms, recipe.objective, shape)
        return cls(discriminator, build_objective(recipe.objective), *terms, pool=pool)

    def outputs(
        self, samples: Sequence[Tensor], labels: Sequence[Tensor] | None = None
    ) -> list[DiscriminatorOutput]:
        """Return D's outputs (B·v, …) for each batch, in one pass where that is the same.

        `labels`, (B,) or (B, A) a batch, is D's second argument where it is given. Outputs are float32 or wider,
        whatever D computes in, and so are the losses, which are functions of them.
        """
        if not self.one_pass:
            given = zip(samples, *([] if labels is None else [labels]), strict=True)
            return [_wide(self.discriminator(*arguments)) for arguments in given]
        joined = [torch.cat(list(batches)) for batches in (samples, labels) if batches is not None]
        outputs = _wide(self.discriminator(*joined))
        return _split(outputs, [len(batch) for batch in samples])

    def discriminator_loss(
        self,
        real: Tensor,
        fakes: Sequence[Tensor],
        generators: nn.Module | None = None,
        labels: Tensor | None = None,
        fake_labels: Sequence[Tensor] | None = None,
        noise: Mapping[str, Tensor] = NO_NOISE,
    ) -> Tensor:
        """Return D's loss on one real batch and generated ones; a scalar.

        `labels` and `fake_labels` condition D, and are handed to its terms, as are `generators` and `noise`.
        """
        if self.pool is not None:
            fakes = [self.pool(fake) for fake in fakes]
        said_of_real, *said_of_fakes = self.outputs([real, *fakes], _together(labels, fake_labels))
        self.objective.look(real, fakes)
        loss = self.objective.discriminator_loss(said_of_real.logits, _logits(said_of_fakes))
        seen = self._seen(real, said_of_real, fakes, said_of_fakes, generators, labels, fake_labels, noise)
        return loss + _weighted(self.discriminator_weights, self.discriminator_terms, seen)

    def generator_loss(
        self,
        real: Tensor,
        fakes: Sequence[Tensor],
        generators: nn.Module | None = None,
        labels: Tensor | None = None,
        fake_labels: Sequence[Tensor] | None = None,
        noise: Mapping[str, Tensor] = NO_NOISE,
    ) -> Tensor:
        """Return the generators' loss on generated batches, `real` serving as a constant reference; a scalar."""
        # D sees the real batch first, as in RealnessGAN's code: it may draw, or iterate, with each pass.
        said_of_real = None
        if self.objective.generator_uses_real:
            with torch.no_grad():
                (said_of_real,) = self.outputs([real], None if labels is None else [labels])
        said_of_fakes = self.outputs(fakes, fake_labels)
        real_logits = None if said_of_real is None else said_of_real.logits
        loss = self.objective.generator_loss(real_logits, _logits(said_of_fakes))
        self.objective.advance(real_logits, _logits(said_of_fakes))
        seen = self._seen(real, said_of_real, fakes, said_of_fakes, generators, labels, fake_labels, noise)
        return loss + _weighted(self.generator_weights, self.generator_terms, seen)

    def refill(self, iteration: int) -> None:
        """Let terms' weights follow their schedules."""
        for term in (*self.discriminator_terms, *self.generator_terms):
            term.begin(iteration)

    def constrain(self) -> None:
        """Put D's weights back to where the objective allows them, in place; follows every step of D."""
        self.objective.constrain(self.discriminator)

    def _seen(
        self,
        real: Tensor,
        said_of_real: DiscriminatorOutput | None,
        fakes: Sequence[Tensor],
        said_of_fakes: Sequence[DiscriminatorOutput],
        generators: nn.Module | None,
        labels: Tensor | None,
        fake_labels: Sequence[Tensor] | None,
        noise: Mapping[str, Tensor],
    ) -> TermInputs:
        """Return what the terms of one step are given."""
        return TermInputs(
            fake_images=fakes,
            fake_outputs=_logits(said_of_fakes),
            real_images=real,
            real_outputs=None if said_of_real is None else said_of_real.logits,
            discriminator=self.discriminator,
            generators=nn.ModuleList() if generators is None else generators,
            discriminators=self.objective.discriminators,
            objective=self.objective,
            real=said_of_real,
            fakes=said_of_fakes,
            labels=labels,
            fake_labels=fake_labels,
            noise=noise,
        )


def _together(labels: Tensor | None, fake_labels: Sequence[Tensor] | None) -> list[Tensor] | None:
    return None if labels is None or fake_labels is None else [labels, *fake_labels]


def _logits(outputs: Iterable[DiscriminatorOutput]) -> list[Tensor]:
    return [output.logits for output in outputs]


def _wide(output: Tensor | DiscriminatorOutput) -> DiscriminatorOutput:
    """Return the output with every tensor in float32 or wider."""
    logits, *others = (output,) if isinstance(output, Tensor) else output
    wide = [None if part is None else _at_least_single(part) for part in others]
    return DiscriminatorOutput(_at_least_single(logits), *wide)


def _at_least_single(part: Tensor) -> Tensor:
    return part.to(torch.promote_types(part.dtype, torch.float32))


def _split(outputs: DiscriminatorOutput, sizes: Sequence[int]) -> list[DiscriminatorOutput]:
    """Undo a concatenation of batches. D may give several rows for a sample, or one for several samples."""
    samples = sum(sizes)
    parts = [
        [None] * len(sizes) if part is None else part.split([len(part) * size // samples for size in sizes])
        for part in outputs
    ]
    return [DiscriminatorOutput(*fields) for fields in zip(*parts, strict=True)]


def _weighted(weights: Sequence[float], terms: Iterable[Any], seen: TermInputs) -> Tensor | float:
    return sum(
        weight * term(seen) if term.share is None else term.share * (weight * term(seen))
        for weight, term in zip(weights, terms, strict=True)
    )
