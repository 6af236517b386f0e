"""The Wasserstein GAN: D is a critic, and the difference of its means is a distance of distributions."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gantry.objectives.base import Objective, register, total


@register("wasserstein")
class Wasserstein(Objective):
    """loss_D = Σ_k [E D(G_k(z)) − E D(x)], loss_G = −Σ_k E D(G_k(z)).

    Over critics of Lipschitz constant 1, −loss_D is the Wasserstein-1 distance, summed over the generators.
    `clip` c keeps D's weights in [−c, c] (0.01 in the paper); None leaves the constraint to a penalty or to
    spectral normalisation. Arjovsky et al. 2017, eqs. 2 and 3, algorithm 1.
    """

    def __init__(self, clip: float | None = None) -> None:
        self.clip = clip

    def discriminator_loss(self, real: Tensor, fakes: Sequence[Tensor]) -> Tensor:
        # D(x) is held against every generator: with one E D(x) for all, adding a constant to D would pay.
        return total(fake.mean() - real.mean() for fake in fakes)

    def generator_loss(self, real: Tensor | None, fakes: Sequence[Tensor]) -> Tensor:
        return -total(fake.mean() for fake in fakes)

    def constrain(self, discriminator: nn.Module) -> None:
        if self.clip is not None:
            clip_weights(discriminator, self.clip)


@torch.no_grad()
def clip_weights(network: nn.Module, bound: float) -> None:
    """Clamp every parameter of `network` to [−bound, bound], in place."""
    for parameter in network.parameters():
        parameter.clamp_(-bound, bound)
