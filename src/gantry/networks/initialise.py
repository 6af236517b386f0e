"""Initial weights that the papers state; whatever is not touched here keeps PyTorch's default.

All of it comes before spectral norm wraps a layer: the wrapped layer's `weight` is computed, and writing to it
changes nothing.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gantry.networks.virtual import VirtualBatchNorm

DEVIATION = 0.02  # Radford et al. 2016, section 4

# Each fills a weight in place, whose rows are the first dimension.
Fill = Callable[[Tensor], Any]
kaiming_normal = partial(nn.init.kaiming_normal_, nonlinearity="relu")
# As PyTorch's functions fill `layer.weight`: of a transposed convolution, which is stored (inputs, outputs, k, k),
# they take the inputs for rows, and the fan-in for the fan-out.
AS_STORED: dict[str, Fill] = {
    "orthogonal": nn.init.orthogonal_,
    "glorot_normal": nn.init.xavier_normal_,
    "kaiming_normal": kaiming_normal,
    "normal_0.02": partial(nn.init.normal_, mean=0.0, std=DEVIATION),
    "normal_1": partial(nn.init.normal_, mean=0.0, std=1.0),
}
# As the equations of their papers have it, where that differs: rows and fans from inputs to outputs everywhere.
BY_OUTPUTS: dict[str, Fill] = {
    "orthogonal_by_outputs": nn.init.orthogonal_,
    "kaiming_normal_by_outputs": kaiming_normal,
}
SCHEMES = AS_STORED | BY_OUTPUTS


def initialise(network: nn.Module) -> None:
    """Set, in place, convolution weights to N(0, 0.02²) and BatchNorm, virtual or not, to weight N(1, 0.02²), bias 0.

    Linear layers keep PyTorch's default.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, DEVIATION)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | VirtualBatchNorm):
            nn.init.normal_(module.weight, 1.0, DEVIATION)
            nn.init.zeros_(module.bias)


def fill(network: nn.Module, how: Fill, by_outputs: bool = True) -> None:
    """Set, in place, the weights of all convolutions and Linear layers by `how`, and their biases to 0.

    With `by_outputs`, `how` sees a transposed convolution's weight as the convolution's that makes the same
    outputs, so that rows and fans are counted from inputs to outputs; without, as it is stored.
    """
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            weight = module.weight.detach()
            turned = by_outputs and isinstance(module, nn.ConvTranspose2d)
            view = weight.transpose(0, 1) if turned else weight
            fresh = torch.empty_like(view, memory_format=torch.contiguous_format)
            how(fresh)
            view.copy_(fresh)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def initialise_as(network: nn.Module, scheme: str, default: Callable[[nn.Module], None]) -> None:
    """Start a network by a family's `default`, then its weights and biases by `scheme` unless "default".

    A scheme speaks of convolutions and Linear layers; BatchNorm stays as the family has it.
    """
    default(network)
    if scheme != "default":
        fill(network, SCHEMES[scheme], by_outputs=scheme in BY_OUTPUTS)
