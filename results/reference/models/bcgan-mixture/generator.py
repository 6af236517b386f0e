"""BCGAN's two generators (λ = 0) on nine Gaussians: generators as plain PyTorch.

Written out by `gantry export`; needs PyTorch alone. `weights` is what model.safetensors holds.
"""

import operator

import torch
from torch import Tensor, inf, nan

aten = torch.ops.aten


def G1(weights: dict[str, Tensor], z: Tensor) -> Tensor:
    """Return samples of G1 (B, 2) for z (B, 128)."""
    linear = aten.linear.default(z, weights["0.0.weight"], weights["0.0.bias"])
    batch_norm = aten.batch_norm.default(linear, weights["0.1.weight"], weights["0.1.bias"], weights["0.1.running_mean"], weights["0.1.running_var"], False, 0.1, 1e-05, False)
    relu_ = aten.relu_.default(batch_norm)
    linear_1 = aten.linear.default(relu_, weights["0.3.weight"], weights["0.3.bias"])
    batch_norm_1 = aten.batch_norm.default(linear_1, weights["0.4.weight"], weights["0.4.bias"], weights["0.4.running_mean"], weights["0.4.running_var"], False, 0.1, 1e-05, False)
    relu__1 = aten.relu_.default(batch_norm_1)
    linear_2 = aten.linear.default(relu__1, weights["0.6.weight"], weights["0.6.bias"])
    batch_norm_2 = aten.batch_norm.default(linear_2, weights["0.7.weight"], weights["0.7.bias"], weights["0.7.running_mean"], weights["0.7.running_var"], False, 0.1, 1e-05, False)
    relu__2 = aten.relu_.default(batch_norm_2)
    linear_3 = aten.linear.default(relu__2, weights["0.9.weight"], weights["0.9.bias"])
    batch_norm_3 = aten.batch_norm.default(linear_3, weights["0.10.weight"], weights["0.10.bias"], weights["0.10.running_mean"], weights["0.10.running_var"], False, 0.1, 1e-05, False)
    relu__3 = aten.relu_.default(batch_norm_3)
    linear_4 = aten.linear.default(relu__3, weights["0.12.weight"], weights["0.12.bias"])
    return linear_4


def G2(weights: dict[str, Tensor], z: Tensor) -> Tensor:
    """Return samples of G2 (B, 2) for z (B, 128)."""
    linear = aten.linear.default(z, weights["1.0.weight"], weights["1.0.bias"])
    batch_norm = aten.batch_norm.default(linear, weights["1.1.weight"], weights["1.1.bias"], weights["1.1.running_mean"], weights["1.1.running_var"], False, 0.1, 1e-05, False)
    relu_ = aten.relu_.default(batch_norm)
    linear_1 = aten.linear.default(relu_, weights["1.3.weight"], weights["1.3.bias"])
    batch_norm_1 = aten.batch_norm.default(linear_1, weights["1.4.weight"], weights["1.4.bias"], weights["1.4.running_mean"], weights["1.4.running_var"], False, 0.1, 1e-05, False)
    relu__1 = aten.relu_.default(batch_norm_1)
    linear_2 = aten.linear.default(relu__1, weights["1.6.weight"], weights["1.6.bias"])
    batch_norm_2 = aten.batch_norm.default(linear_2, weights["1.7.weight"], weights["1.7.bias"], weights["1.7.running_mean"], weights["1.7.running_var"], False, 0.1, 1e-05, False)
    relu__2 = aten.relu_.default(batch_norm_2)
    linear_3 = aten.linear.default(relu__2, weights["1.9.weight"], weights["1.9.bias"])
    batch_norm_3 = aten.batch_norm.default(linear_3, weights["1.10.weight"], weights["1.10.bias"], weights["1.10.running_mean"], weights["1.10.running_var"], False, 0.1, 1e-05, False)
    relu__3 = aten.relu_.default(batch_norm_3)
    linear_4 = aten.linear.default(relu__3, weights["1.12.weight"], weights["1.12.bias"])
    return linear_4
