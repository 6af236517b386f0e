"""Networks that stand still while others learn: features at named depths of them, for losses.

Their weights are buffers that no state and no checkpoint holds: they come from a file, and stay in it.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, max_pool2d, relu

from gantry.plan.blocks.perceptual import VGG19_STAGES


class Layer(NamedTuple):
    """A convolution of 3×3 and its ReLU; `name` is that of its output, `key` that of its weights in a file."""

    name: str
    key: str
    inputs: int
    outputs: int
    stride: int = 1
    halved: bool = False
    """Whether its input is the largest of each 2×2."""


def vgg19() -> tuple[Layer, ...]:
    """Return VGG19's convolutions, with torchvision's numbers: those of ReLUs and pools are counted too."""
    layers, inputs, number = [], 3, 0
    for stage, (count, outputs) in enumerate(zip(VGG19_STAGES, (64, 128, 256, 512, 512), strict=True), 1):
        for place in range(1, count + 1):
            halved = place == 1 and stage > 1
            layers.append(Layer(f"relu{stage}_{place}", f"features.{number}", inputs, outputs, halved=halved))
            inputs, number = outputs, number + 2
        number += 1
    return tuple(layers)


def embedded() -> tuple[Layer, ...]:
    """Return the convolutions of the workflow's own classifier, into which its batch norm is folded."""
    widths = (3, 16, 32, 64)
    return tuple(
        Layer(f"relu{place}", f"body.{place - 1}", widths[place - 1], widths[place], stride=2)
        for place in (1, 2, 3)
    )


LAYERS = {"vgg19": vgg19, "embedded": embedded}
# What torchvision's weights were trained on: colours in [0, 1], less a mean, over a deviation (ImageNet's).
COLOURS = {
    "vgg19": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "embedded": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}


class FixedNetwork(nn.Module):
    """Images (B, 3, R, R) in [−1, 1] → outputs of some of its layers, after ReLU; all its weights 0 until `fill`."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, name: str, depths: Sequence[str]) -> None:
        super().__init__()
        self.depths = frozenset(depths)
        layers = LAYERS[name]()
        last = max(number for number, layer in enumerate(layers) if layer.name in self.depths)
        self.layers = layers[: last + 1]
        for what, told in zip(("mean", "deviation"), COLOURS[name], strict=True):
            self.register_buffer(what, torch.tensor(told).view(3, 1, 1), persistent=False)
        for layer in self.layers:
            weight = torch.zeros(layer.outputs, layer.inputs, 3, 3)
            self.register_buffer(f"{layer.name}_weight", weight, persistent=False)
            self.register_buffer(f"{layer.name}_bias", torch.zeros(layer.outputs), persistent=False)

    def forward(self, images: Tensor) -> list[Tensor]:
        x, found = (images / 2 + 0.5 - self.mean) / self.deviation, []
        for layer in self.layers:
            if layer.halved:
                x = max_pool2d(x, 2)
            weight, bias = self.get_buffer(f"{layer.name}_weight"), self.get_buffer(f"{layer.name}_bias")
            x = relu(conv2d(x, weight, bias, layer.stride, padding=1))
            if layer.name in self.depths:
                found.append(x)
        return found

    def fill(self, tensors: Mapping[str, Tensor]) -> None:
        """Take weights by `<key>.weight`, `<key>.bias`. ValueError that names one that lacks, or has another shape."""
        for layer in self.layers:
            for what in ("weight", "bias"):
                key, own = f"{layer.key}.{what}", self.get_buffer(f"{layer.name}_{what}")
                if key not in tensors:
                    raise ValueError(f"there is no {key}")
                if tensors[key].shape != own.shape:
                    raise ValueError(f"{key} is {tuple(tensors[key].shape)}, expected {tuple(own.shape)}")
                own.copy_(tensors[key])
