"""Spectral norm (Miyato et al. 2018): weights divided by their largest singular value."""

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm


def normalise(network: nn.Module) -> None:
    """Wrap every convolution and Linear layer of an initialised network in spectral norm, in place.

    In train mode each forward pass makes one step of the power iteration.
    """
    kinds = nn.Conv2d | nn.ConvTranspose2d | nn.Linear
    for layer in [module for module in network.modules() if isinstance(module, kinds)]:
        spectral_norm(layer)
