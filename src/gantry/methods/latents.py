"""z, what generators start from."""

import torch
from torch import Tensor

from gantry.plan.blocks.players import Latent


def draw_latents(
    latent: Latent, count: int, device: torch.device, generator: torch.Generator | None = None
) -> Tensor:
    """Return (count, dimension) float32 latents, from `generator` or the device's default one.

    They are standard normal or uniform on [−1, 1], times the recipe's scale.
    """
    shape = (count, latent.dimension)
    if latent.distribution == "uniform":
        z = 2 * torch.rand(shape, device=device, generator=generator) - 1
    else:
        z = torch.randn(shape, device=device, generator=generator)
    return latent.scale * z
