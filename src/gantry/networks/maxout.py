"""Maxout layers (Goodfellow et al. 2013), laid out to cost little beside their matrix product."""

from typing import Any

import torch
from torch import Tensor, nn

from gantry.networks.linear import Linear


class _LargestPiece(torch.autograd.Function):
    """(B, pieces, units) → (B, units), the maximum over the pieces.

    `amax` over a dimension that is not the last runs vectorised, but its backward (and that of `max` and
    `where`) does not: on a CPU it costs about a quarter of the layer's matrix products. Here the forward
    pass keeps a mask of ones and zeros and the backward is one product, about ten times as fast. Pieces that
    tie exactly each receive the whole gradient; between float32 pieces with weights of their own, ties are
    accidents of rounding.
    """

    @staticmethod
    def forward(ctx: Any, pieces: Tensor) -> Tensor:
        largest = pieces.amax(1)
        ctx.save_for_backward(torch.eq(pieces, largest.unsqueeze(1), out=torch.empty_like(pieces)))
        return largest

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (is_largest,) = ctx.saved_tensors
        return is_largest * gradient.unsqueeze(1)


class Maxout(nn.Module):
    """Units that are the largest of several affine functions: (B, inputs) → (B, units).

    One Linear computes all pieces, piece-major: output p·units + u is piece p of unit u.
    """

    def __init__(self, inputs: int, units: int, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces
        self.linear = Linear(inputs, units * pieces)

    def forward(self, x: Tensor) -> Tensor:
        pieces = self.linear(x).unflatten(1, (self.pieces, -1))
        return _LargestPiece.apply(pieces) if torch.is_grad_enabled() else pieces.amax(1)
