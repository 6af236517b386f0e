"""Unrolled GAN: G answers the discriminator as it will be after a few more updates, and sees how it moves there."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.func import functional_call

if TYPE_CHECKING:
    from gantry.methods.adversarial import Adversarial


# Under the root of Adam's second moment: a weight whose gradient is 0 has a slope of 0 there, not of 0·∞.
TINY = 1e-30


class LookAhead:
    """loss_G against D's weights after `steps` updates of D, differentiated through these updates.

    The updates are Adam's, going on from the moments of D's own optimiser, all on the batch of the generators'
    update; D itself stays where it is. Weights of D's terms count as constants; what these terms remember is
    of D's own updates, and put back; what the objective does to D's weights after an update is left out. Metz
    et al. 2017, eqs. 9 to 11.
    """

    def __init__(self, method: "Adversarial", optimiser: torch.optim.Optimizer, steps: int) -> None:
        self.method = method
        self.optimiser = optimiser
        self.steps = steps

    def generator_loss(self, real: Tensor, fakes: Sequence[Tensor]) -> Tensor:
        """Return loss_G on generated batches; a scalar."""
        return self._with(self.weights(real, fakes), self.method.generator_loss, real, fakes)

    def weights(self, real: Tensor, fakes: Sequence[Tensor]) -> dict[str, Tensor]:
        """D's weights after the updates, by their names in the method, as functions of `fakes`."""
        names, parameters = zip(
            *self.method.discriminator.named_parameters(prefix="discriminator"), strict=True
        )
        group = self.optimiser.param_groups[0]
        (beta_1, beta_2), rate, eps = group["betas"], group["lr"], group["eps"]
        states = [self.optimiser.state.get(parameter, {}) for parameter in parameters]
        means = [
            state.get("exp_avg", torch.zeros_like(w)) for state, w in zip(states, parameters, strict=True)
        ]
        squares = [
            state.get("exp_avg_sq", torch.zeros_like(w)) for state, w in zip(states, parameters, strict=True)
        ]
        done = states[0].get("step", torch.zeros((), device=parameters[0].device)).double()
        weights = [parameter.detach().clone().requires_grad_() for parameter in parameters]
        remembered = [(buffer, buffer.clone()) for buffer in self.method.discriminator_terms.buffers()]
        for step in range(1, self.steps + 1):
            loss = self._with(
                dict(zip(names, weights, strict=True)), self.method.discriminator_loss, real, fakes
            )
            slopes = torch.autograd.grad(
                loss, weights, create_graph=True, allow_unused=True, materialize_grads=True
            )
            unbiased_1, unbiased_2 = 1 - beta_1 ** (done + step), 1 - beta_2 ** (done + step)
            means = [beta_1 * m + (1 - beta_1) * g for m, g in zip(means, slopes, strict=True)]
            squares = [beta_2 * v + (1 - beta_2) * g.square() for v, g in zip(squares, slopes, strict=True)]
            weights = [
                w - rate * (m / unbiased_1) / ((v / unbiased_2 + TINY).sqrt() + eps)
                for w, m, v in zip(weights, means, squares, strict=True)
            ]
        for buffer, before in remembered:
            buffer.copy_(before)
        return dict(zip(names, weights, strict=True))

    def _with(
        self,
        weights: dict[str, Tensor],
        loss: Callable[[Tensor, Sequence[Tensor]], Tensor],
        real: Tensor,
        fakes: Sequence[Tensor],
    ) -> Tensor:
        """A loss of the method as it would be with D at `weights`."""
        named = {f"method.{name}": weight for name, weight in weights.items()}
        return functional_call(_Loss(self.method, loss), named, (real, fakes))


class _Loss(nn.Module):
    """One loss of a method, as the `forward` that `functional_call` wants."""

    def __init__(self, method: "Adversarial", loss: Callable[[Tensor, Sequence[Tensor]], Tensor]) -> None:
        super().__init__()
        self.method = method
        self.loss = loss

    def forward(self, real: Tensor, fakes: Sequence[Tensor]) -> Tensor:
        return self.loss(real, fakes)
