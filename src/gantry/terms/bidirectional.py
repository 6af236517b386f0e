"""BCGAN's bidirectional constraint: equal logits of different samples.

Both sum over the pairs i < j of generated batches, so two generators, more, or two views of z need no case.
"""

from collections.abc import Callable
from itertools import combinations

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, softmax

from gantry.terms.base import (
    DISCRIMINATOR_TERMS,
    GENERATOR_TERMS,
    DiscriminatorTerm,
    GeneratorTerm,
    TermInputs,
    register,
)
from gantry.terms.histograms import at_least_single

EPSILON = 1e-16  # inside the logarithm, in the authors' code


def divergence(first: Tensor, second: Tensor) -> Tensor:
    """KL(softmax(first) ‖ softmax(second)), mean over the batch; logits (B, n)."""
    log_first = log_softmax(first, dim=1)
    return (log_first.exp() * (log_first - log_softmax(second, dim=1))).sum(1).mean()


def cross_entropy(first: Tensor, second: Tensor) -> Tensor:
    """−Σ softmax(first)·log(softmax(second) + 1e-16), mean over the batch; logits (B, n)."""
    return -(softmax(first, dim=1) * torch.log(softmax(second, dim=1) + EPSILON)).sum(1).mean()


def sample_norm(first: Tensor, second: Tensor) -> Tensor:
    """L2 norm of the difference per sample, mean over the batch."""
    return torch.linalg.vector_norm((first - second).flatten(1), dim=1).mean()


def squared_error(first: Tensor, second: Tensor) -> Tensor:
    """Mean squared difference over all elements."""
    return (first - second).square().mean()


Pairwise = Callable[[Tensor, Tensor], Tensor]
LOGIT_DISTANCES: dict[str, Pairwise] = {"paper": divergence, "reference": cross_entropy}
SAMPLE_DISTANCES: dict[str, Pairwise] = {"paper": sample_norm, "reference": squared_error}


def as_atoms(outputs: Tensor) -> Tensor:
    """Return logits over n ≥ 2 atoms: one logit l is the Bernoulli σ(l), which is softmax(0, l)."""
    return torch.cat([torch.zeros_like(outputs), outputs], dim=1) if outputs.shape[1] == 1 else outputs


@register(DISCRIMINATOR_TERMS, "logit_agreement")
class LogitAgreement(DiscriminatorTerm):
    """KL(D(G₁(z)) ‖ D(G₂(z))): pulls the logits of the generators together. BCGAN eq. 16 and section 3.1.

    `reference` takes the cross-entropy instead. The gradient flows into both logits, so here the two differ
    by the gradient of the first logits' entropy. Of several discriminators each agrees with itself. Outputs
    that are no logits (a critic's, an energy, an embedding) are read as if they were.
    """

    def forward(self, batch: TermInputs) -> Tensor:
        distance = LOGIT_DISTANCES[self.formulation]
        logits = [
            [as_atoms(part) for part in outputs.chunk(batch.discriminators, dim=1)]
            for outputs in batch.fake_outputs
        ]
        return torch.stack(
            [
                distance(a, b)
                for first, second in combinations(logits, 2)
                for a, b in zip(first, second, strict=True)
            ]
        ).sum()


@register(GENERATOR_TERMS, "sample_spread")
class SampleSpread(GeneratorTerm):
    """−‖G₁(z) − G₂(z)‖: pushes the generators' samples apart. BCGAN eq. 17.

    `paper` is the L2 norm of each sample's difference; `reference` the mean squared error over all elements.
    """

    def forward(self, batch: TermInputs) -> Tensor:
        distance = SAMPLE_DISTANCES[self.formulation]
        samples = [at_least_single(fake) for fake in batch.fake_images]
        return -torch.stack([distance(a, b) for a, b in combinations(samples, 2)]).sum()
