"""Trained lower bounds of the mutual information I(X; Y), in nats, of pairs of numbers."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from gantry.plan.blocks.terms import INFONCE_CANDIDATES

Statistic = Callable[[Tensor, Tensor], Tensor]


class StatisticNetwork(nn.Module):
    """T(x, y): two hidden layers of `width` units; x and y are numbers of any one shape, T of the same.

    With `dimension`, x and y are vectors, (…, dimension) each, and T is (…). The last layer has no bias: a
    constant in T falls out of both bounds.
    """

    def __init__(self, width: int, dimension: int | None = None) -> None:
        super().__init__()
        self.of_vectors = dimension is not None
        self.layers = nn.Sequential(
            nn.Linear(2 * (dimension or 1), width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Linear(width, 1, bias=False),
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        pairs = torch.cat([x, y], dim=-1) if self.of_vectors else torch.stack([x, y], dim=-1)
        return self.layers(pairs).squeeze(-1)


def donsker_varadhan(statistic: Statistic, x: Tensor, y: Tensor) -> Tensor:
    """E T(x, y) − log E exp T(x, y′), y′ being y in another order. Belghazi et al. 2018 (MINE).

    x and y are (N,), or (N, D). The batch's gradient is MINE's plain one, biased by the logarithm of a mean over N
    (their correction by a moving average is for small N).
    """
    others = y[torch.randperm(len(y), device=y.device)]
    return statistic(x, y).mean() - (statistic(x, others).logsumexp(0) - math.log(len(y)))


def infonce(statistic: Statistic, x: Tensor, y: Tensor) -> Tensor:
    """log n + E log softmax_j T(x_i, y_j) at j = i, among n ≤ 64 candidates; van den Oord et al. 2018, eq. 4.

    x and y are (N,), or (N, D), cut into groups of n. Less variable than Donsker–Varadhan, and never above log n.
    """
    n = min(INFONCE_CANDIDATES, len(x))
    whole, inner = len(x) // n * n, x.shape[1:]
    x, y = x[:whole].view(-1, n, 1, *inner), y[:whole].view(-1, 1, n, *inner)
    shape = (-1, n, n, *inner)
    scores = statistic(x.expand(shape), y.expand(shape)).log_softmax(2)
    return math.log(n) + scores.diagonal(dim1=1, dim2=2).mean()


BOUNDS: dict[str, Callable[[Statistic, Tensor, Tensor], Tensor]] = {
    "donsker_varadhan": donsker_varadhan,
    "infonce": infonce,
}
