"""Losses on a logit that is a number, not a probability: least squares and hinge."""

from torch import Tensor
from torch.nn.functional import relu

from gantry.objectives.base import Separable, register


@register("least_squares")
class LeastSquares(Separable):
    """LSGAN: D's outputs go to b on real and to a on generated samples; G would see its own at c.

    loss_D = ½E(D(x) − b)² + Σ_k ½E(D(G_k(z)) − a)², loss_G = Σ_k ½E(D(G_k(z)) − c)². At the best D and with
    b − c = 1, b − a = 2, E(D(x) − c)² + E(D(G(z)) − c)² is Pearson's χ² between p + p_g and 2p_g. Mao et al.
    2017, eq. 2 and section 3.2.
    """

    def __init__(self, a: float = 0.0, b: float = 1.0, c: float = 1.0) -> None:
        self.a, self.b, self.c = a, b, c

    def real_cost(self, outputs: Tensor) -> Tensor:
        return 0.5 * (outputs - self.b).square()

    def fake_cost(self, outputs: Tensor) -> Tensor:
        return 0.5 * (outputs - self.a).square()

    def generator_cost(self, outputs: Tensor) -> Tensor:
        return 0.5 * (outputs - self.c).square()


@register("hinge")
class Hinge(Separable):
    """loss_D = E max(0, 1 − D(x)) + Σ_k E max(0, 1 + D(G_k(z))), loss_G = −Σ_k E D(G_k(z)).

    Lim and Ye 2017; Miyato et al. 2018, eqs. 16 and 17.
    """

    def real_cost(self, outputs: Tensor) -> Tensor:
        return relu(1 - outputs)

    def fake_cost(self, outputs: Tensor) -> Tensor:
        return relu(1 + outputs)

    def generator_cost(self, outputs: Tensor) -> Tensor:
        return -outputs
