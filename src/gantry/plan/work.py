"""The arithmetic of one iteration, in multiply-adds, from layer sizes and from what each update runs.

Counted are products of matrices and convolutions. A layer's forward pass counts once, its gradients towards the
weights and towards the input once each; towards a network's own input only where somebody asks for it. Biases,
normalisation, activations, the optimiser and spectral norm's power iteration are left out, as are the cosines of
`pulling_away` and the products of matrices with vectors of `spectral_regularisation`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gantry.plan.architectures import ARCHITECTURES
from gantry.plan.blocks.terms import (
    INFONCE_CANDIDATES,
    STATISTIC_PAIRS,
    EntropyDistance,
    GradientPenalty,
    OrthogonalRegularisation,
)
from gantry.plan.layers import Conv, Dense, Layer
from gantry.plan.recipe import Recipe


@dataclass(frozen=True)
class Size:
    """One network: multiply-adds for one sample, those of its first layer, weights, and Σ W·Wᵀ's multiply-adds."""

    macs: int
    first: int
    weights: int
    squares: int


def sample_shape(recipe: Recipe, resolution: int | None) -> tuple[int, ...]:
    """What D sees at once, as `ARCHITECTURES` has it: (D,) of points, (channels, R) of images; packs together."""
    return (2 * recipe.pack,) if resolution is None else (3 * recipe.pack, resolution)


def layers(recipe: Recipe, resolution: int | None) -> tuple[Sequence[Layer], Sequence[Layer]]:
    """(one generator, one discriminator) of `recipe`, on images of `resolution` or on points."""
    made = (2,) if resolution is None else (3, resolution)
    architecture = ARCHITECTURES[recipe.networks.family]
    return (
        architecture.generator(recipe.networks, recipe.latent.dimension, *made),
        architecture.discriminator(
            recipe.networks, *sample_shape(recipe, resolution), recipe.objective.width
        ),
    )


def sizes(recipe: Recipe, resolution: int | None) -> tuple[Size, Size]:
    """(one generator, all the discriminators) of `recipe`; a sample of the latter is a pack."""
    generator, discriminator = layers(recipe, resolution)
    return _size(generator, 1), _size(discriminator, recipe.objective.discriminators)


def _size(parts: Sequence[Layer], networks: int) -> Size:
    return Size(
        networks * sum(layer.macs for layer in parts),
        networks * parts[0].entry,
        networks * sum(layer.weights for layer in parts),
        networks * sum(rows**2 * columns for layer in parts for rows, columns in layer.matrices),
    )


@dataclass(frozen=True)
class Work:
    """Multiply-adds of one batch through the networks of a recipe."""

    recipe: Recipe
    resolution: int | None

    @property
    def generator(self) -> int:
        """One generator, forward; a reference batch goes along."""
        return self.latents * sizes(self.recipe, self.resolution)[0].macs

    @property
    def generator_trained(self) -> int:
        """One generator, forward and backward."""
        size, _ = sizes(self.recipe, self.resolution)
        return self.latents * (3 * size.macs - size.first)

    @property
    def discriminator(self) -> int:
        """The discriminators, forward."""
        return self.packs * sizes(self.recipe, self.resolution)[1].macs

    @property
    def discriminator_first(self) -> int:
        """Their first layers, forward."""
        return self.packs * sizes(self.recipe, self.resolution)[1].first

    @property
    def seen(self) -> int:
        """The discriminators as far as their features; an autoencoder's are its code, half-way."""
        return self.discriminator // (2 if self.recipe.networks.reconstructs else 1)

    @property
    def numbers(self) -> int:
        """Numbers in a batch of samples."""
        return self.recipe.batch_size * (2 if self.resolution is None else 3 * self.resolution**2)

    @property
    def embedding(self) -> int:
        """Numbers that D says of a sample; with no discriminator, the sample is its own embedding."""
        objective = self.recipe.objective
        return objective.width if objective.discriminators else self.numbers // self.recipe.batch_size

    @property
    def features(self) -> int:
        """Numbers in D's features of a batch."""
        last = layers(self.recipe, self.resolution)[1][-1]
        code = getattr(self.recipe.networks, "code", None)
        inside = code or (last.macs // last.outputs if isinstance(last, Dense | Conv) else 0)
        return self.packs * inside

    @property
    def packs(self) -> int:
        """How many verdicts a discriminator gives on a batch."""
        return self.recipe.batch_size // self.recipe.pack

    @property
    def latents(self) -> int:
        """How many latents a generator runs for a batch."""
        virtual = getattr(self.recipe.networks, "virtual_batch_norm", None)
        return self.recipe.batch_size + (virtual.reference if virtual else 0)


def no_products(work: Work, block: Any) -> int:
    """Of outputs, samples or weights as they are."""
    return 0


def slopes(work: Work, block: GradientPenalty) -> int:
    """A pass, its gradient, and the gradients of both."""
    batches = work.recipe.views if block.points in ("lines", "generated") else 1
    return batches * ARCHITECTURES[work.recipe.networks.family].penalty_passes * work.discriminator


def orthogonality(size: Size) -> int:
    """W·Wᵀ, and its two gradients."""
    return 3 * size.squares


def matching(work: Work, block: Any) -> int:
    """Features of a real batch, and of each generated one with the gradient towards the samples."""
    return work.seen + 2 * work.recipe.views * work.seen


def pulling(work: Work, block: Any) -> int:
    """Features of each generated batch with the gradient towards the samples."""
    return 2 * work.recipe.views * work.seen


def entropies(work: Work, block: EntropyDistance) -> int:
    """The joint histogram, or the statistic network, of each generated batch; their features, if it is of these."""
    of_features = block.of == "features"
    if block.of == "logits" and not work.recipe.objective.generator_uses_real:
        return work.discriminator  # on the real batch
    values = work.features if of_features else work.numbers
    counted = min(block.pixels or values, values)
    return ESTIMATORS[block.estimator](work, block, counted) * work.recipe.views + (
        matching(work, block) if of_features else 0
    )


def parzen(work: Work, block: EntropyDistance, values: int) -> int:
    """Bins × bins for each pair of values, forward and towards the generated values."""
    return (1 if block.detached else 2) * values * block.bins**2


def neural(work: Work, block: EntropyDistance, values: int) -> int:
    """The statistic network, trained, on pairs that belong together and on others."""
    of_images = block.of == "images"
    pairs = work.recipe.batch_size if of_images else min(STATISTIC_PAIRS, values)
    inputs = 2 * (work.numbers // work.recipe.batch_size if of_images else 1)
    seen = {"donsker_varadhan": 2 * pairs, "infonce": min(INFONCE_CANDIDATES, pairs) * pairs}[block.bound]
    return 3 * seen * (inputs * block.width + block.width**2 + block.width)


def cross_entropies(work: Work, block: EntropyDistance, values: int) -> int:
    """Of distributions entry by entry."""
    return 0


ESTIMATORS: dict[str, Callable[[Work, EntropyDistance, int], int]] = {
    "parzen": parzen,
    "neural": neural,
    "cross_entropy": cross_entropies,
}


def of_discriminators(work: Work, block: OrthogonalRegularisation) -> int:
    """Orthogonality of D's layers."""
    return orthogonality(sizes(work.recipe, work.resolution)[1])


def of_generators(work: Work, block: OrthogonalRegularisation) -> int:
    """Orthogonality of all generators' layers."""
    return work.recipe.generators * orthogonality(sizes(work.recipe, work.resolution)[0])


# What a term adds to one update of the player whose loss it is in.
TermWork = Callable[[Work, Any], int]
DISCRIMINATOR_TERMS: dict[str, TermWork] = {
    "verdict_agreement": no_products,
    "drift": no_products,
    "gradient_penalty": slopes,
    "orthogonal_regularisation": of_discriminators,
    "spectral_regularisation": no_products,
    "historical_averaging": no_products,
}
GENERATOR_TERMS: dict[str, TermWork] = {
    "sample_spread": no_products,
    "entropy_distance": entropies,
    "jensen_shannon": no_products,
    "orthogonal_regularisation": of_generators,
    "spectral_regularisation": no_products,
    "historical_averaging": no_products,
    "feature_matching": matching,
    "pulling_away": pulling,
}


def _terms(work: Work, player: str, costs: dict[str, TermWork]) -> int:
    blocks = {name: getattr(work.recipe.terms, name) for name in costs}
    return sum(
        costs[name](work, block)
        for name, block in blocks.items()
        if getattr(block, "weight", block) and player in getattr(block, "players", (player,))
    )


def _pairs(work: Work) -> int:
    """Multiply-adds of the distances between the samples of two batches, where the objective takes them."""
    return work.packs**2 * work.embedding if work.recipe.objective.kernels else 0


def discriminator_update(work: Work) -> int:
    """Multiply-adds of one update of D: the generators forward, D forward and backward on K + 1 batches."""
    fakes = work.recipe.views
    trained = 3 * work.discriminator - work.discriminator_first
    return (
        fakes * work.generator
        + (fakes + 1) * trained
        # Within each batch and across, with the gradient towards both.
        + fakes * 9 * _pairs(work)
        + _terms(work, "discriminator", DISCRIMINATOR_TERMS)
    )


def generator_update(work: Work) -> int:
    """Multiply-adds of one update of the generators: they and D forward and backward on K batches.

    No gradient of D's weights is taken, unless D looks ahead: then each step of that is run forward with its
    gradient, and the gradients of both.
    """
    fakes, steps = work.recipe.views, work.recipe.unroll
    ahead = steps * (
        (fakes + 1) * (9 * work.discriminator - 3 * work.discriminator_first)
        + 3 * _terms(work, "discriminator", DISCRIMINATOR_TERMS)
    )
    return (
        fakes * (work.generator_trained + (3 if steps else 2) * work.discriminator)
        + work.recipe.objective.generator_uses_real * work.discriminator
        # Within each batch and across, with the gradient towards the generated one.
        + fakes * 6 * _pairs(work)
        + ahead
        + _terms(work, "generators", GENERATOR_TERMS)
    )


def flops_per_iteration(recipe: Recipe, resolution: int | None) -> float:
    """Floating-point operations of one iteration, two a multiply-add."""
    updates = recipe.updates
    of_discriminator, of_generator = (
        Work(recipe.with_batch_of(phase), resolution) for phase in ("discriminator", "generator")
    )
    return 2.0 * (
        updates.discriminator * discriminator_update(of_discriminator)
        + updates.generator * generator_update(of_generator)
    )


def flops_until(recipe: Recipe, resolution: int | None, iterations: int) -> float:
    """Floating-point operations of the first `iterations`: a sum over spans in which samples have one size.

    What fading adds is left out: layers of 1×1, and means.
    """
    spans = recipe.method.spans(recipe, resolution)
    ends = [*(span.start for span in spans[1:]), iterations]
    return sum(
        max(0, min(end, iterations) - span.start)
        * flops_per_iteration(recipe.model_copy(update={"batch_size": span.batch_size}), span.size)
        for span, end in zip(spans, ends, strict=True)
    )
