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

# Each fills a weight (outputs, inputs) or (outputs, inputs, k, k) in place.
Fill = Callable[[Tensor], Any]
SCHEMES: dict[str, Fill] = {
    "orthogonal": nn.init.orthogonal_,
    "glorot_normal": nn.init.xavier_normal_,
    "kaiming_normal": partial(nn.init.kaiming_normal_, nonlinearity="relu"),
    "normal_0.02": partial(nn.init.normal_, mean=0.0, std=DEVIATION),
    "normal_1": partial(nn.init.normal_, mean=0.0, std=1.0),
}


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


def fill(network: nn.Module, how: Fill) -> None:
    """Set, in place, the weights of all convolutions and Linear layers by `how`, and their biases to 0.

    `how` sees a transposed convolution's weight as the convolution's that makes the same outputs, so that
    rows and fans are counted from inputs to outputs everywhere.
    """
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            weight = module.weight.detach()
            view = weight.transpose(0, 1) if isinstance(module, nn.ConvTranspose2d) else weight
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
        fill(network, SCHEMES[scheme])
