"""Minibatch discrimination: D sees of each sample how close it is to the others of its batch."""

from functools import reduce

import torch
from torch import Tensor, nn

from gantry.networks.linear import Linear
from gantry.plan.blocks.image_networks import DcganNetworks
from gantry.plan.blocks.point_networks import MlpNetworks


class MinibatchDiscrimination(nn.Module):
    """Features (B, F) → (B, F + kernels): the features, and sums of similarities beside them.

    M_i = f(x_i)·T with a learnt tensor T of (F, kernels, dimensions); o(x_i)_b = Σ_j exp(−‖M_ib − M_jb‖₁), in
    [1, B], over the whole batch, j = i included. Salimans et al. 2016, section 3.2. Real and generated samples
    belong in batches of their own: mixed, one kind's similarities would tell of the other.
    """

    mixes_samples = True

    def __init__(self, features: int, kernels: int, dimensions: int) -> None:
        super().__init__()
        self.shape = (kernels, dimensions)
        self.tensor = Linear(features, kernels * dimensions, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        # In single precision or wider: the exponential of a difference of rounded numbers is noise.
        wide = torch.promote_types(features.dtype, torch.float32)
        rows = self.tensor(features).to(wide).unflatten(1, self.shape)
        # A dimension at a time, (kernels, B): long rows, a third of the time of one sum over a few numbers each.
        columns = rows.permute(2, 1, 0).contiguous()
        distances = reduce(torch.add, ((column[:, :, None] - column[:, None]).abs() for column in columns))
        return torch.cat([features, distances.neg().exp().sum(2).t()], dim=1)


def minibatch_discrimination(
    networks: MlpNetworks | DcganNetworks, features: int
) -> tuple[list[MinibatchDiscrimination], int]:
    """Return the layer that the recipe asks for, if it does, and how many features follow."""
    options = networks.minibatch_discrimination
    if options is None:
        return [], features
    layer = MinibatchDiscrimination(features, options.kernels, options.dimensions)
    return [layer], features + options.kernels
