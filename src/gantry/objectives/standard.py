"""Goodfellow et al. 2014: the minimax game on one logit, and its non-saturating generator.

With σ the sigmoid, −log σ(l) = softplus(−l) and −log(1 − σ(l)) = softplus(l).
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import softplus

from gantry.objectives.base import Objective, register


@register("minimax")
class Minimax(Objective):
    """D maximises, and G minimises, E log D(x) + Σ_k E log(1 − D(G_k(z))). Eq. 1 there, eq. 1 of BCGAN."""

    outputs = 1

    def discriminator_loss(self, real: Tensor, fakes: Sequence[Tensor]) -> Tensor:
        return softplus(-real).mean() + torch.stack([softplus(fake).mean() for fake in fakes]).sum()

    def generator_loss(self, real: Tensor | None, fakes: Sequence[Tensor]) -> Tensor:
        return -torch.stack([softplus(fake).mean() for fake in fakes]).sum()


@register("non_saturating")
class NonSaturating(Minimax):
    """The same discriminator; G maximises Σ_k E log D(G_k(z)) instead. Section 3 there."""

    def generator_loss(self, real: Tensor | None, fakes: Sequence[Tensor]) -> Tensor:
        return torch.stack([softplus(-fake).mean() for fake in fakes]).sum()
