"""BCGAN on handwritten digits: generators as plain PyTorch.

Written out by `gantry export`; needs PyTorch alone. `weights` is what model.safetensors holds.
"""

import operator

import torch
from torch import Tensor, inf, nan

aten = torch.ops.aten


def G1(weights: dict[str, Tensor], z: Tensor) -> Tensor:
    """Return samples of G1 (B, 3, 32, 32) for z (B, 128)."""
    slice_1 = aten.slice.Tensor(z, 0, 0, 9223372036854775807)
    unsqueeze = aten.unsqueeze.default(slice_1, 2)
    unsqueeze_1 = aten.unsqueeze.default(unsqueeze, 3)
    conv_transpose2d = aten.conv_transpose2d.input(unsqueeze_1, weights["0.layers.0.weight"])
    batch_norm = aten.batch_norm.default(conv_transpose2d, weights["0.layers.1.weight"], weights["0.layers.1.bias"], weights["0.layers.1.running_mean"], weights["0.layers.1.running_var"], False, 0.1, 1e-05, False)
    relu_ = aten.relu_.default(batch_norm)
    conv_transpose2d_1 = aten.conv_transpose2d.input(relu_, weights["0.layers.3.weight"], None, [2, 2], [1, 1])
    batch_norm_1 = aten.batch_norm.default(conv_transpose2d_1, weights["0.layers.4.weight"], weights["0.layers.4.bias"], weights["0.layers.4.running_mean"], weights["0.layers.4.running_var"], False, 0.1, 1e-05, False)
    relu__1 = aten.relu_.default(batch_norm_1)
    conv_transpose2d_2 = aten.conv_transpose2d.input(relu__1, weights["0.layers.6.weight"], None, [2, 2], [1, 1])
    batch_norm_2 = aten.batch_norm.default(conv_transpose2d_2, weights["0.layers.7.weight"], weights["0.layers.7.bias"], weights["0.layers.7.running_mean"], weights["0.layers.7.running_var"], False, 0.1, 1e-05, False)
    relu__2 = aten.relu_.default(batch_norm_2)
    conv_transpose2d_3 = aten.conv_transpose2d.input(relu__2, weights["0.layers.9.weight"], None, [2, 2], [1, 1])
    tanh = aten.tanh.default(conv_transpose2d_3)
    return tanh


def G2(weights: dict[str, Tensor], z: Tensor) -> Tensor:
    """Return samples of G2 (B, 3, 32, 32) for z (B, 128)."""
    slice_1 = aten.slice.Tensor(z, 0, 0, 9223372036854775807)
    unsqueeze = aten.unsqueeze.default(slice_1, 2)
    unsqueeze_1 = aten.unsqueeze.default(unsqueeze, 3)
    conv_transpose2d = aten.conv_transpose2d.input(unsqueeze_1, weights["1.layers.0.weight"])
    batch_norm = aten.batch_norm.default(conv_transpose2d, weights["1.layers.1.weight"], weights["1.layers.1.bias"], weights["1.layers.1.running_mean"], weights["1.layers.1.running_var"], False, 0.1, 1e-05, False)
    relu_ = aten.relu_.default(batch_norm)
    conv_transpose2d_1 = aten.conv_transpose2d.input(relu_, weights["1.layers.3.weight"], None, [2, 2], [1, 1])
    batch_norm_1 = aten.batch_norm.default(conv_transpose2d_1, weights["1.layers.4.weight"], weights["1.layers.4.bias"], weights["1.layers.4.running_mean"], weights["1.layers.4.running_var"], False, 0.1, 1e-05, False)
    relu__1 = aten.relu_.default(batch_norm_1)
    conv_transpose2d_2 = aten.conv_transpose2d.input(relu__1, weights["1.layers.6.weight"], None, [2, 2], [1, 1])
    batch_norm_2 = aten.batch_norm.default(conv_transpose2d_2, weights["1.layers.7.weight"], weights["1.layers.7.bias"], weights["1.layers.7.running_mean"], weights["1.layers.7.running_var"], False, 0.1, 1e-05, False)
    relu__2 = aten.relu_.default(batch_norm_2)
    conv_transpose2d_3 = aten.conv_transpose2d.input(relu__2, weights["1.layers.9.weight"], None, [2, 2], [1, 1])
    tanh = aten.tanh.default(conv_transpose2d_3)
    return tanh
