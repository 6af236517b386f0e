"""Loss-sensitive GAN: real samples have a smaller loss than generated ones, by a margin that grows with distance.

Qi 2017, "Loss-Sensitive Generative Adversarial Networks on Lipschitz Densities", and its generalisation there.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from gantry.objectives.base import Objective, register, total


@register("loss_sensitive")
class LossSensitive(Objective):
    """loss_D = Σ_k E C(Δ(x, G_k(z)) + D(G_k(z)) − D(x)), loss_G = −Σ_k E D(G_k(z)); −D is the paper's loss L.

    Δ(x, y) = `margin`·‖x − y‖₁ of the i-th real and the i-th generated sample. C(a) = max(a, ν·a) with ν = `slope`:
    0 is LS-GAN, 1 WGAN's loss up to a constant, what lies between GLS-GAN. The paper's further summand E L(x) has no
    lower bound where L has none, and is left out, as in its author's code. A penalty has to bound D's slope.
    """

    def __init__(self, margin: float, slope: float = 0.0) -> None:
        self.margin = margin
        self.slope = slope
        self.margins: list[Tensor] = []

    @torch.no_grad()
    def look(self, real: Tensor, fakes: Sequence[Tensor]) -> None:
        pairs = [(real.flatten(1), fake.flatten(1)) for fake in fakes]
        wide = torch.promote_types(real.dtype, torch.float32)
        self.margins = [self.margin * (x.to(wide) - y.to(wide)).abs().sum(1) for x, y in pairs]

    def discriminator_loss(self, real: Tensor, fakes: Sequence[Tensor]) -> Tensor:
        return total(
            self.cost(per_row(margin, len(real))[:, None] + fake - real).mean()
            for margin, fake in zip(self.margins, fakes, strict=True)
        )

    def generator_loss(self, real: Tensor | None, fakes: Sequence[Tensor]) -> Tensor:
        return -total(fake.mean() for fake in fakes)

    def cost(self, shortfall: Tensor) -> Tensor:
        """C of what a pair lacks to its margin."""
        return torch.maximum(shortfall, self.slope * shortfall)


def per_row(margins: Tensor, rows: int) -> Tensor:
    """(B,) → (rows,): a sample's margin for each of its patches, or of a pack the sum, as its distance is."""
    if rows >= len(margins):
        return margins.repeat_interleave(rows // len(margins))
    return margins.view(rows, -1).sum(1)
