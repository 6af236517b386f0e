"""Initial weights that the papers state; whatever is not touched here keeps PyTorch's default."""

from torch import nn

DEVIATION = 0.02  # Radford et al. 2016, section 4


def initialise(network: nn.Module) -> None:
    """Set, in place, convolution weights to N(0, 0.02²) and BatchNorm to weight N(1, 0.02²), bias 0.

    Linear layers keep PyTorch's default. Call it before spectral norm wraps a layer: the wrapped layer's
    `weight` is computed, and writing to it changes nothing.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, DEVIATION)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, DEVIATION)
            nn.init.zeros_(module.bias)
