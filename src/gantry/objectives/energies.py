"""GANs whose discriminator is an autoencoder: its output is the error of reconstruction, an energy ≥ 0."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import relu

from gantry.objectives.base import Objective, Separable, register, total


@register("ebgan")
class EnergyBased(Separable):
    """loss_D = E D(x) + Σ_k E max(0, m − D(G_k(z))), loss_G = Σ_k E D(G_k(z)); D is the energy, m the margin.

    Zhao et al. 2017, eqs. 1 and 2.
    """

    def __init__(self, margin: float) -> None:
        self.margin = margin

    def real_cost(self, outputs: Tensor) -> Tensor:
        return outputs

    def fake_cost(self, outputs: Tensor) -> Tensor:
        return relu(self.margin - outputs)

    def generator_cost(self, outputs: Tensor) -> Tensor:
        return outputs


@register("began")
class BoundaryEquilibrium(Objective):
    """loss_D = E L(x) − k Σ_j E L(G_j(z)), loss_G = Σ_j E L(G_j(z)); L is the reconstruction error.

    After every update of G, k ← k + λ(γ E L(x) − E L(G(z))), kept in [0, 1], the errors being those of the
    update and the second a mean over the generators: it holds E L(G(z)) at γ E L(x). γ is `diversity`, λ is
    `gain`, k starts at 0. Berthelot et al. 2017, section 3.4.
    """

    generator_uses_real = True

    def __init__(self, diversity: float = 0.5, gain: float = 0.001) -> None:
        self.diversity = diversity
        self.gain = gain
        self.k = torch.zeros(())

    def discriminator_loss(self, real: Tensor, fakes: Sequence[Tensor]) -> Tensor:
        return real.mean() - self.k * total(fake.mean() for fake in fakes)

    def generator_loss(self, real: Tensor | None, fakes: Sequence[Tensor]) -> Tensor:
        return total(fake.mean() for fake in fakes)

    @torch.no_grad()
    def advance(self, real: Tensor | None, fakes: Sequence[Tensor]) -> None:
        if real is None:
            raise ValueError("the equilibrium is between D's outputs for real and for generated samples")
        fake = total(fake.mean() for fake in fakes) / len(fakes)
        self.k.add_(self.gain * (self.diversity * real.mean() - fake)).clamp_(0, 1)

    def redraw(self, device: torch.device | str) -> None:
        """Draw nothing; k follows the networks to their device."""
        self.k = self.k.to(device)

    def state_dict(self) -> dict[str, Tensor]:
        return {"k": self.k.clone()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up k, in place. Raises ValueError for the state of another objective."""
        if set(state) != {"k"} or state["k"].shape != ():
            raise ValueError("not the state of a began objective, which is one number, k")
        self.k.copy_(state["k"])
