"""Linear layers whose matrix products run on the CPU's widest instructions.

PyTorch hands float32 products to MKL; oneDNN, which PyTorch ships too and uses for convolutions, was twice
as fast on one core of a recent AMD EPYC at the synthetic experiment's sizes: 190 against 93 GFLOP/s in one
run. The likely reason, not verified, is that MKL keeps to AVX2 there and oneDNN takes AVX-512.
"""

from typing import Any

import torch
from torch import Tensor, nn

# Below this size of any dimension the product is bound by memory, and setting oneDNN up costs more.
SMALLEST = 16


class _Product(torch.autograd.Function):
    """a (m, k), b (n, k), bias (n,) or None → a bᵀ + bias (m, n). Differentiable any number of times."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(a, b)
        return torch.ops.mkldnn._linear_pointwise(a, b, bias, "none", [], "")

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        a, b = ctx.saved_tensors
        wants_a, wants_b, wants_bias = ctx.needs_input_grad
        return (
            _product(gradient, b.t()) if wants_a else None,
            _product(gradient.t(), a.t()) if wants_b else None,
            gradient.sum(0) if wants_bias else None,
        )


def _product(a: Tensor, b: Tensor) -> Tensor:
    return _Product.apply(a, b, None)


class Linear(nn.Linear):
    """`nn.Linear`, the same but for rounding; plain batches (B, inputs) of float32 on a CPU go to oneDNN."""

    def forward(self, x: Tensor) -> Tensor:
        if _suits(x, self.out_features):
            return _Product.apply(x, self.weight, self.bias)
        return super().forward(x)


def _suits(x: Tensor, outputs: int) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and x.dim() == 2
        and min(x.shape[0], x.shape[1], outputs) >= SMALLEST
        and _HAS_ONEDNN
        and bool(torch.backends.mkldnn.enabled)
        and not torch.is_autocast_enabled("cpu")
    )


_HAS_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
