"""Weights as matrices, without copies, and the power iteration that finds their largest singular value."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvTransposeNd

TINY = 1e-12  # below every norm that is divided by, as in PyTorch's own spectral norm

# (W (n, m), u (n,), v (m,)) → (u, v, σ) one step further, both of length 1.
PowerStep = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


def output_dimension(layer: nn.Module) -> int:
    """Return which dimension of a layer's weight counts its outputs."""
    return 1 if isinstance(layer, _ConvTransposeNd) else 0


def columns_of(weight: Tensor, rows: int) -> list[int]:
    """Return the dimensions of `weight` but `rows`, in the order in which memory holds them."""
    return sorted((axis for axis in range(weight.dim()) if axis != rows), key=weight.stride, reverse=True)


def as_matrix(weight: Tensor, rows: int, columns: list[int]) -> Tensor:
    """Return `weight` as (outputs, everything else), a view where `columns` are in the order of memory."""
    return weight.permute(rows, *columns).reshape(weight.shape[rows], -1)


def unit(vector: Tensor, length: Tensor) -> Tensor:
    """Return `vector` divided by its length."""
    return vector / length.clamp_min(TINY)


def left_first(matrix: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """u ← Wv/‖Wv‖, v ← Wᵀu/‖Wᵀu‖; then σ = uᵀWv is ‖Wᵀu‖ and needs no product of its own.

    The order of `torch.nn.utils.parametrizations.spectral_norm`.
    """
    product = matrix.mv(v)
    u = unit(product, product.norm())
    product = matrix.t().mv(u)
    sigma = product.norm()
    return u, unit(product, sigma), sigma


def right_first(matrix: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """v ← Wᵀu/‖Wᵀu‖, u ← Wv/‖Wv‖; then σ = uᵀWv is ‖Wv‖. Miyato et al. 2018, algorithm 1.

    The order of `torch.nn.utils.spectral_norm`, which RealnessGAN's and BCGAN's code uses.
    """
    v, u, sigma = left_first(matrix.t(), v, u)
    return u, v, sigma


class _SingularValue(torch.autograd.Function):
    """σ = uᵀWv, whose value is known, as a linear function of W. Differentiable any number of times."""

    @staticmethod
    def forward(ctx, matrix: Tensor, u: Tensor, v: Tensor, sigma: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.save_for_backward(u, v)
        return sigma.clone()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None, None]:  # type: ignore[no-untyped-def]
        u, v = ctx.saved_tensors
        return gradient * torch.outer(u, v), None, None, None


def singular_value(matrix: Tensor, u: Tensor, v: Tensor, sigma: Tensor) -> Tensor:
    """Return σ, which is uᵀWv, as a function of W: its gradient is uvᵀ, u and v being constants."""
    return _SingularValue.apply(matrix, u, v, sigma)
