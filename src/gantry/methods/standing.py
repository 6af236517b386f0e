"""Standing statistics: what BatchNorm subtracts and divides by when sampling, of batches drawn for that."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class Standing(NamedTuple):
    """How many batches the statistics are of, and of how many samples each."""

    batches: int
    size: int


def batch_norms(network: nn.Module) -> list[_BatchNorm]:
    """Return the BatchNorm layers of a network."""
    return [module for module in network.modules() if isinstance(module, _BatchNorm)]


@torch.no_grad()
def stand(generator: nn.Module, batches: Iterable[tuple[Tensor, ...]]) -> None:
    """Give the BatchNorms of `generator`, in place, the mean of the batches' means and variances; evaluation mode.

    The running statistics are of latents as training draws them, and of weights on their way; at another τ they are
    wrong. Brock et al. 2019, appendix B.
    """
    generator.eval()
    for norm in batch_norms(generator):
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all passes
        norm.train()
    for inputs in batches:
        generator(*inputs)
    generator.eval()
