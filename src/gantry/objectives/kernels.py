"""The maximum mean discrepancy of two samples, by mixtures of kernels."""

from collections.abc import Callable, Sequence
from functools import cache

import torch
from torch import Tensor

# (squared distances (n, m), scales (S, 1, 1)) → similarities in [0, 1], (S, n, m).
Kernel = Callable[[Tensor, Tensor], Tensor]


def rbf(squared: Tensor, scale: Tensor) -> Tensor:
    """exp(−d²/(2σ²)): Li et al. 2015 and 2017."""
    return torch.exp(squared / (-2 * scale**2))


def rational_quadratic(squared: Tensor, scale: Tensor) -> Tensor:
    """(1 + d²/(2α))^−α: Bińkowski et al. 2018, eq. 6."""
    return torch.exp(-scale * torch.log1p(squared / (2 * scale)))


KERNELS: dict[str, Kernel] = {"rbf": rbf, "rational_quadratic": rational_quadratic}


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Return ‖x_i − y_j‖² of rows (n, D) and (m, D): (n, m), in float32 or wider."""
    with torch.autocast(x.device.type, enabled=False):
        x, y = (tensor if tensor.dtype == torch.float64 else tensor.float() for tensor in (x, y))
        # About a common centre, so that a large mean does not drown the differences.
        centre = y.detach().mean(0)
        x, y = x - centre, y - centre
        squared = x.square().sum(1)[:, None] + y.square().sum(1) - 2 * (x @ y.t())
    return squared.clamp(min=0)


@cache
def _column(scales: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Scales as (S, 1, 1), sent to the device once: within a CUDA graph nothing can be sent."""
    return torch.tensor(scales, dtype=dtype, device=device)[:, None, None]


def similarities(x: Tensor, y: Tensor, kernel: str, scales: Sequence[float]) -> Tensor:
    """Return k(x_i, y_j) of rows (n, D) and (m, D), (n, m): the sum of `kernel` over `scales`."""
    squared = squared_distances(x, y)
    return KERNELS[kernel](squared, _column(tuple(scales), squared.dtype, squared.device)).sum(0)


def squared_mmd(x: Tensor, y: Tensor, kernel: str, scales: Sequence[float], unbiased: bool) -> Tensor:
    """MMD² of samples x and y, both (n, D), n ≥ 2, for the sum of `kernel` over `scales`; a scalar.

    Unbiased leaves out each sample's similarity with itself, and may be negative. Gretton et al. 2012, eqs. 3
    and 5; the cross term is over all pairs, i = j too.
    """

    def within(a: Tensor) -> Tensor:
        alike, n = similarities(a, a, kernel, scales), len(a)
        if unbiased:
            return (alike.sum() - alike.diagonal().sum()) / (n * (n - 1))
        return alike.mean()

    return within(x) + within(y) - 2 * similarities(x, y, kernel, scales).mean()


def witness_function(points: Tensor, x: Tensor, y: Tensor, kernel: str, scales: Sequence[float]) -> Tensor:
    """Return h(a) = mean_i k(a, x_i) − mean_j k(a, y_j) for each row a of `points` (p, D): (p,).

    It is large where x is dense and y is not: up to its scale the function by whose means the two differ most.
    Gretton et al. 2012.
    """
    to_x, to_y = (similarities(points, others, kernel, scales).mean(1) for others in (x, y))
    return to_x - to_y
