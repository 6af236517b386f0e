"""Differentiable histograms: each value spread over the bins by a smooth kernel, joint ones as one product."""

from typing import Any

import torch
from torch import Tensor, nn

SMALLEST = 1e-30  # inside logarithms: 0·log 0 is 0, with a finite gradient


def entropy(probabilities: Tensor) -> Tensor:
    """H = −Σ p log p in nats, over all entries of a tensor that sums to 1."""
    return -(probabilities * probabilities.clamp_min(SMALLEST).log()).sum()


class SoftBins(nn.Module):
    """Values (N,) → weights (N, bins) that sum to 1 over the bins: a Gaussian Parzen window, read at the bins.

    w_k(v) ∝ exp(−(v − c_k)² / 2σ²) with the bins' centres c_k spread evenly over [low, high] and
    σ = `bandwidth` bin widths. Equivalently: a bin drawn for each value, with these probabilities. A joint
    histogram of such weights is therefore a distribution, with the two single ones as its marginals. Values
    outside the range count in the outermost bins.
    """

    def __init__(self, options: Any, default_range: tuple[float, float]) -> None:
        super().__init__()
        low, high = options.range or default_range
        width = (high - low) / options.bins
        centres = low + width * (torch.arange(options.bins, dtype=torch.float64) + 0.5)
        self.sigma: float = options.bandwidth * width
        # Not kept in the state: they follow from the recipe.
        self.register_buffer("slopes", (centres / self.sigma**2).float(), persistent=False)
        self.register_buffer("offsets", (-(centres**2) / (2 * self.sigma**2)).float(), persistent=False)
        self.slopes: Tensor
        self.offsets: Tensor

    def forward(self, values: Tensor) -> Tensor:
        # v² is the same for all bins and falls out of the normalisation; what is left is linear in v.
        slopes, offsets = self.slopes.to(values.dtype), self.offsets.to(values.dtype)
        return torch.addcmul(offsets, values[:, None], slopes).softmax(1)


def histogram(weights: Tensor) -> Tensor:
    """Weights (N, bins) → P(X in a bin) (bins,)."""
    return weights.mean(0)


def joint_histogram(first: Tensor, second: Tensor) -> Tensor:
    """Weights (N, bins) of N pairs → P(X in one bin, Y in another) (bins, bins)."""
    return first.t() @ second / len(first)


class Values(nn.Module):
    """From two batches to the values (N,) that are counted: flat, drawn down to `pixels`, and in range.

    Images are left as they are, in [−1, 1]. All else is standardised, by the mean and the standard deviation
    of the real batch, over all its entries, and counted within 3 deviations.
    """

    STANDARDISED = (-3.0, 3.0)
    IMAGES = (-1.0, 1.0)

    def __init__(self, options: Any, are_images: bool) -> None:
        super().__init__()
        self.pixels = options.pixels
        self.standardise = not are_images and options.range is None
        self.range = options.range or (self.IMAGES if are_images else self.STANDARDISED)

    def forward(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        real, fake = at_least_single(real).flatten(), at_least_single(fake).flatten()
        if self.standardise:
            mean, deviation = real.mean(), real.std().clamp_min(1e-6)
            real, fake = (real - mean) / deviation, (fake - mean) / deviation
        if self.pixels is None or self.pixels >= len(real):
            return real, fake
        drawn = torch.randint(len(real), (self.pixels,), device=real.device)
        return real[drawn], fake[drawn]


def at_least_single(values: Tensor) -> Tensor:
    """Return float32 or wider: half precision cannot count a batch's pixels."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
