"""Samples of trained networks, as the metrics and the figures want them."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantry.data.prepared import PreparedSet
from gantry.errors import Diverged
from gantry.methods.sampler import Sampler

Array = NDArray[np.uint8] | NDArray[np.float32]
# What becomes of drawn inputs before they are samples' own; it may draw on.
Alter = Callable[[dict[str, Tensor], torch.Generator], dict[str, Tensor]]

BATCH = 500
SHOWN_SEED = 20_230_901  # of the one fixed z that figures follow through training
SCORED_SEED = 1


def to_uint8(images: Tensor) -> Tensor:
    """Turn images (B, 3, H, W) in [−1, 1] into uint8 (B, H, W, 3), rounded to the nearest grey level."""
    scaled = (images.float() + 1) * 127.5
    return scaled.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


@torch.inference_mode()
def samples_of(sampler: Sampler, source: str, inputs: Mapping[str, Tensor], device: torch.device) -> Array:
    """Return the samples of `source` for inputs of N rows: uint8 (N, H, W, 3) or float32 (N, 2).

    Raises Diverged where a sample is not finite: grey levels would hide it.
    """
    batches = []
    count = len(next(iter(inputs.values())))
    for start in range(0, count, BATCH):
        given = {name: value[start : start + BATCH].to(device) for name, value in inputs.items()}
        samples = sampler.sample(source, given)
        if not torch.isfinite(samples).all():
            raise Diverged("the generator's samples hold NaN or infinity")
        batches.append((to_uint8(samples) if samples.dim() == 4 else samples.float()).cpu().numpy())
    return np.concatenate(batches)


def sample(
    sampler: Sampler,
    source: str,
    count: int,
    seed: int,
    device: torch.device,
    held_out: PreparedSet | None = None,
    altered: Alter | None = None,
) -> Iterator[Array]:
    """Yield `count` samples in batches: uint8 (B, H, W, 3) images or float32 (B, 2) points.

    Inputs come from a generator of their own on the CPU, so the same seed gives the same ones on every device.
    Raises Diverged as `samples_of` does.
    """
    randomness = torch.Generator().manual_seed(seed)
    for start in range(0, count, BATCH):
        rows = range(start, min(start + BATCH, count))
        inputs = sampler.inputs(source, rows, randomness, held_out)
        yield samples_of(sampler, source, altered(inputs, randomness) if altered else inputs, device)


def sampled(
    sampler: Sampler,
    source: str,
    count: int,
    seed: int,
    device: torch.device,
    held_out: PreparedSet | None = None,
    altered: Alter | None = None,
) -> Array:
    """Return `sample`'s batches as one array."""
    return np.concatenate(list(sample(sampler, source, count, seed, device, held_out, altered)))
