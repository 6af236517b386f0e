"""f-GAN: D bounds an f-divergence of the data from the generated samples, and G minimises the bound.

D_f(P ‖ Q) = E_Q f(p/q) ≥ E_P T − E_Q f*(T), with equality at T* = f′(p/q); f* is the convex conjugate of f. The
variational function is T = g(v): an output activation g brings D's raw output v into the domain of f*.
Source: Nowozin et al. 2016, eqs. 4 to 7, tables 1 and 2 and their long forms in the appendix.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from gantry.objectives.base import Separable, register

_Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Divergence:
    """T = `activation`(v), and `conjugate`(v) = f*(T), simplified so that no precision is lost in between."""

    activation: _Function
    conjugate: _Function


def wright_omega(y: Tensor) -> Tensor:
    """Return ω > 0 with ω + log ω = y, which is Lambert's W(e^y). Differentiable any number of times.

    Newton's method on s + e^s = y with s = log ω, from a start above the root, converges from one side.
    """
    s = torch.where(y > 1, y.clamp(min=1).log(), y)
    for _ in range(6):
        s = s - (s + s.exp() - y) / (1 + s.exp())
    return s.exp()


def jeffrey_conjugate(t: Tensor) -> Tensor:
    """f*(t) = ω + 1/ω + t − 2 with ω = W(e^(1 − t)), for f(u) = (u − 1) log u."""
    omega = wright_omega(1 - t)
    return omega + 1 / omega + t - 2


def weighted_jensen_shannon(pi: float) -> Divergence:
    """π KL(p ‖ m) + (1 − π) KL(q ‖ m) with m = πp + (1 − π)q. f = πu log u − (1 − π + πu) log(1 − π + πu)."""

    def conjugate(v: Tensor) -> Tensor:
        # (1 − π) log((1 − π)/(1 − σ(v)^(1/π))); from v = 40 on the denominator is e^−v/π to all digits.
        below = -torch.log(-torch.expm1(logsigmoid(v.clamp(max=40)) / pi))
        return (1 - pi) * (math.log(1 - pi) + torch.where(v > 40, v + math.log(pi), below))

    return Divergence(lambda v: logsigmoid(v) - pi * math.log(pi), conjugate)


# The generator function f(u) of each, as f-GAN's table 1 has it, stands behind the entry. Two of its columns do not
# agree with D_f = E_Q f(p/q): (u − 1)² gives ∫(p − q)²/q, (1 − u)²/u gives ∫(p − q)²/p; and its Jensen–Shannon f is
# twice the usual divergence. Here f decides.
DIVERGENCES: dict[str, Divergence] = {
    "total_variation": Divergence(lambda v: torch.tanh(v) / 2, lambda v: torch.tanh(v) / 2),  # |u − 1|/2
    "kl": Divergence(lambda v: v, lambda v: torch.exp(v - 1)),  # u log u
    "reverse_kl": Divergence(lambda v: -torch.exp(-v), lambda v: v - 1),  # −log u
    "pearson": Divergence(lambda v: v, lambda v: v.square() / 4 + v),  # (u − 1)², over all real u
    "neyman": Divergence(lambda v: -torch.expm1(-v), lambda v: 2 - 2 * torch.exp(-v / 2)),  # (1 − u)²/u
    "squared_hellinger": Divergence(lambda v: -torch.expm1(-v), torch.expm1),  # (√u − 1)²
    "jeffrey": Divergence(lambda v: v, jeffrey_conjugate),  # (u − 1) log u
    "jensen_shannon": Divergence(  # u log u − (u + 1) log((u + 1)/2)
        lambda v: math.log(2) + logsigmoid(v), lambda v: softplus(v) - math.log(2)
    ),
    "gan": Divergence(logsigmoid, softplus),  # u log u − (u + 1) log(u + 1)
}
# Those with a parameter: the share π of the data in the mixture.
WEIGHTED = {"weighted_jensen_shannon": weighted_jensen_shannon}


@register("f_gan")
class FGan(Separable):
    """loss_D = −E T(x) + Σ_k E f*(T(G_k(z))), loss_G = −Σ_k E f*(T(G_k(z))), with T = g(D's raw output).

    −loss_D is the bound of D_f(data ‖ generated), reached where T = f′(p/q). With `non_saturating`, loss_G is
    −Σ_k E T(G_k(z)) instead (section 3.2 there). The costs grow exponentially with D's output for kl,
    reverse_kl, neyman, squared_hellinger and jeffrey, quadratically for pearson, at most linearly for the rest.
    """

    def __init__(self, divergence: str, non_saturating: bool = False, data_share: float = 0.5) -> None:
        self.divergence = (
            WEIGHTED[divergence](data_share) if divergence in WEIGHTED else DIVERGENCES[divergence]
        )
        self.non_saturating = non_saturating

    def real_cost(self, outputs: Tensor) -> Tensor:
        return -self.divergence.activation(outputs)

    def fake_cost(self, outputs: Tensor) -> Tensor:
        return self.divergence.conjugate(outputs)

    def generator_cost(self, outputs: Tensor) -> Tensor:
        return self.real_cost(outputs) if self.non_saturating else -self.fake_cost(outputs)
