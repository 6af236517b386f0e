"""Self-attention over the places of a feature map (Zhang et al. 2019, section 3)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import softmax


class SelfAttention(nn.Module):
    """x (B, C, S, S) → γ·o + x, with γ = 0 at the start.

    s_ij = f(x_i)ᵀ g(x_j), β_ji = exp s_ij / Σ_i exp s_ij               (eq. 1)
    o_j = v(Σ_i β_ji h(x_i))                                           (eq. 2)
    y = γ·o + x                                                        (eq. 3)

    f, g, h and v are 1×1 convolutions without biases; the first three lead to C/8 channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // 8)
        self.f = nn.Conv2d(channels, inner, 1, bias=False)
        self.g = nn.Conv2d(channels, inner, 1, bias=False)
        self.h = nn.Conv2d(channels, inner, 1, bias=False)
        self.v = nn.Conv2d(inner, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        scores = self.f(x).flatten(2).transpose(1, 2) @ self.g(x).flatten(2)  # (B, i, j)
        attended = self.h(x).flatten(2) @ softmax(scores, dim=1)  # (B, C/8, j)
        return self.gamma * self.v(attended.unflatten(2, x.shape[2:])) + x
