"""Linear layers whose matrix products run on the CPU's widest instructions.

PyTorch hands float32 products to MKL; oneDNN, which PyTorch ships too and uses for convolutions, was twice
as fast on one core of an AMD EPYC with AVX-512 at the synthetic experiment's sizes: 190 against 93 GFLOP/s. On
one with AVX2 alone MKL is quicker: 63 against 30 GFLOP/s at 100 × 128 · 128, 72 against 65 at 100 × 400 · 400.
So oneDNN is asked where AVX-512 is: MKL, it seems, keeps to AVX2 on AMD's processors.
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
    """`nn.Linear`, the same but for rounding; plain float32 batches (B, inputs) go to oneDNN on an AVX-512 CPU."""

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
        and _ONEDNN_IS_QUICKER
        and bool(torch.backends.mkldnn.enabled)
        and not torch.is_autocast_enabled("cpu")
    )


_HAS_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
_ONEDNN_IS_QUICKER = _HAS_ONEDNN and "AVX512" in torch.backends.cpu.get_cpu_capability()
