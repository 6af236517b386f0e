"""Samples of trained generators, as the metrics and the figures want them."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gantry.errors import Diverged
from gantry.plan.blocks.players import Latent
from gantry.training.game import draw_latents

BATCH = 500
SHOWN_SEED = 20_230_901  # of the one fixed z that figures follow through training
SCORED_SEED = 1


def to_uint8(images: Tensor) -> Tensor:
    """Turn images (B, 3, H, W) in [−1, 1] into uint8 (B, H, W, 3), rounded to the nearest grey level."""
    scaled = (images.float() + 1) * 127.5
    return scaled.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


@torch.inference_mode()
def answers(generator: nn.Module, z: Tensor, device: torch.device) -> NDArray[np.uint8] | NDArray[np.float32]:
    """Return what `generator` makes of latents (N, dimension): uint8 (N, H, W, 3) or float32 (N, 2).

    Raises Diverged where a sample is not finite: grey levels would hide it.
    """
    batches = []
    for part in z.split(BATCH):
        samples = generator(part.to(device))
        if not torch.isfinite(samples).all():
            raise Diverged("the generator's samples hold NaN or infinity")
        batches.append((to_uint8(samples) if samples.dim() == 4 else samples.float()).cpu().numpy())
    return np.concatenate(batches)


def sample(
    generator: nn.Module, latent: Latent, count: int, seed: int, device: torch.device
) -> Iterator[NDArray[np.uint8] | NDArray[np.float32]]:
    """Yield `count` samples in batches: uint8 (B, H, W, 3) images or float32 (B, 2) points.

    z comes from a generator of its own on the CPU, so the same seed gives the same z on every device. Raises
    Diverged as `answers` does.
    """
    source = torch.Generator().manual_seed(seed)
    for start in range(0, count, BATCH):
        z = draw_latents(latent, min(BATCH, count - start), torch.device("cpu"), source)
        yield answers(generator, z, device)


def sampled(
    generator: nn.Module, latent: Latent, count: int, seed: int, device: torch.device
) -> NDArray[np.uint8] | NDArray[np.float32]:
    """Return `sample`'s batches as one array."""
    return np.concatenate(list(sample(generator, latent, count, seed, device)))
