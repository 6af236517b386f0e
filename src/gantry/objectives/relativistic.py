"""Relativistic GANs: D judges how much more real a real sample looks than a generated one."""

from collections.abc import Sequence

from torch import Tensor

from gantry.objectives.base import Objective, Separable, register, total


@register("relativistic")
class Relativistic(Objective):
    """RGAN, or with `average` RaGAN, of any objective with costs f₁ (real) and f₂ (generated) of D's output C.

    RGAN:  loss_D = ½ Σ_k { E f₁(C(x) − C(G_k(z))) + E f₂(C(G_k(z)) − C(x)) }
    RaGAN: loss_D = Σ_k { E f₁(C(x) − E C(G_k(z))) + E f₂(C(G_k(z)) − E C(x)) }
    loss_G is loss_D with f₁ and f₂ in each other's place. Where f₂(y) = f₁(−y), as for all but most f-GANs, the
    two halves of RGAN are equal, and one of them is the paper's simplified loss. Each of D's outputs has its own
    mean over the batch. Jolicoeur-Martineau 2019, "The relativistic discriminator", section 4.
    """

    generator_uses_real = True

    def __init__(self, of: Separable, average: bool = True) -> None:
        self.of = of
        self.average = average

    def discriminator_loss(self, real: Tensor, fakes: Sequence[Tensor]) -> Tensor:
        return total(self._loss(real, fake) for fake in fakes)

    def generator_loss(self, real: Tensor | None, fakes: Sequence[Tensor]) -> Tensor:
        if real is None:
            raise ValueError("the relativistic generator loss needs D's outputs for a real batch")
        # f₁ and f₂ change places where the two batches do.
        return total(self._loss(fake, real) for fake in fakes)

    def _loss(self, first: Tensor, second: Tensor) -> Tensor:
        """The loss that calls `first` real and `second` generated."""
        real_cost, fake_cost = self.of.real_cost, self.of.fake_cost
        if self.average:
            return real_cost(first - second.mean(0)).mean() + fake_cost(second - first.mean(0)).mean()
        return 0.5 * (real_cost(first - second) + fake_cost(second - first)).mean()
