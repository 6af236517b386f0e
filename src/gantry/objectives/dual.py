"""D2GAN: one discriminator rewards real samples, the other generated ones."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import softplus

from gantry.objectives.base import Objective, register, total


@register("d2gan")
class DualDiscriminators(Objective):
    """min_G max_{D₁,D₂} α E log D₁(x) − E D₂(x) + Σ_k { β E log D₂(G_k(z)) − E D₁(G_k(z)) }.

    D₁ and D₂ are positive: softplus of the raw outputs, which stand side by side, (B, 2). At the best ones,
    D₁ = α p/q and D₂ = β q/p, G minimises α KL(p ‖ q) + β KL(q ‖ p). Nguyen et al. 2017, eq. 1, proposition 1
    and theorem 2.
    """

    discriminators = 2

    def __init__(self, alpha: float = 1.0, beta: float = 1.0) -> None:
        self.alpha = alpha
        self.beta = beta

    def discriminator_loss(self, real: Tensor, fakes: Sequence[Tensor]) -> Tensor:
        first, second = real.chunk(2, dim=1)
        on_real = softplus(second).mean() - self.alpha * log_softplus(first).mean()
        return on_real - self.generator_loss(None, fakes)

    def generator_loss(self, real: Tensor | None, fakes: Sequence[Tensor]) -> Tensor:
        pairs = [fake.chunk(2, dim=1) for fake in fakes]
        return total(
            self.beta * log_softplus(second).mean() - softplus(first).mean() for first, second in pairs
        )


def log_softplus(x: Tensor) -> Tensor:
    """log(log(1 + eˣ)), which is x itself where eˣ is small."""
    return torch.where(x < -20, x, softplus(x.clamp(min=-20)).log())
