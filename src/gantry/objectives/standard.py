"""Goodfellow et al. 2014: the minimax game on one logit, and its non-saturating generator.

With σ the sigmoid, −log σ(l) = softplus(−l) and −log(1 − σ(l)) = softplus(l).
"""

from collections.abc import Sequence

from torch import Tensor
from torch.nn.functional import softplus

from gantry.objectives.base import Separable, register, total


@register("minimax")
class Minimax(Separable):
    """D maximises, and G minimises, E log D(x) + Σ_k E log(1 − D(G_k(z))). Eq. 1 there, eq. 1 of BCGAN.

    With `real_label` α below 1, D maximises E[α log D(x) + (1 − α) log(1 − D(x))] on real samples instead:
    one-sided label smoothing (Salimans et al. 2016, section 3.4).
    """

    def __init__(self, real_label: float = 1.0) -> None:
        self.real_label = real_label

    def real_cost(self, outputs: Tensor) -> Tensor:
        # α·softplus(−l) + (1 − α)·softplus(l), since softplus(l) = softplus(−l) + l.
        return softplus(-outputs) + (1 - self.real_label) * outputs

    def fake_cost(self, outputs: Tensor) -> Tensor:
        return softplus(outputs)

    def generator_cost(self, outputs: Tensor) -> Tensor:
        return -softplus(outputs)


@register("non_saturating")
class NonSaturating(Minimax):
    """The same discriminator; G maximises Σ_k E log D(G_k(z)) instead. Section 3 there."""

    def generator_cost(self, outputs: Tensor) -> Tensor:
        return softplus(-outputs)


@register("score_distance")
class ScoreDistance(NonSaturating):
    """The same discriminator; G minimises Σ_k |E σ(D(x)) − E σ(D(G_k(z)))|. Tran et al. 2018 (Dist-GAN)."""

    generator_uses_real = True

    def generator_loss(self, real: Tensor | None, fakes: Sequence[Tensor]) -> Tensor:
        if real is None:
            raise ValueError("the distance of scores needs D's outputs for a real batch")
        score = real.sigmoid().mean()
        return total((score - fake.sigmoid().mean()).abs() for fake in fakes)
