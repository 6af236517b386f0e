"""Optimisers, by the name that recipes use."""

import torch
from torch import nn

from gantry.plan.blocks.players import Optimiser


def build_optimiser(block: Optimiser, parameters: list[nn.Parameter], rate: float) -> torch.optim.Optimizer:
    """Return the optimiser that the recipe names, in its fused form (one kernel for all weights)."""
    return _OPTIMISERS[block.name](parameters, lr=rate, betas=block.betas, fused=True)


_OPTIMISERS = {"adam": torch.optim.Adam}
