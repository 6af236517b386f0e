"""Virtual batch normalisation: each sample is normalised by a fixed reference batch and itself, by nothing else."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

EPSILON = 1e-5  # as BatchNorm has it


class VirtualBatchNorm(nn.Module):
    """Activations (R + B, F, …), those of the R reference samples first → the same, each normalised, scaled, shifted.

    The mean and the variance of a sample are those of the R reference samples and of itself, 1/(R + 1) each, over
    the places of a map too; reference samples are normalised by the reference batch alone. There is no running
    average, so training and evaluation agree. Salimans et al. 2016, section 3.5.
    """

    def __init__(self, features: int, reference: int) -> None:
        super().__init__()
        self.reference = reference
        self.weight = nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))

    def forward(self, x: Tensor) -> Tensor:
        wide = torch.promote_types(x.dtype, torch.float32)
        places = tuple(range(2, x.dim()))
        per_feature = (1, -1, *(1 for _ in places))
        values = x.to(wide)
        means, variances = _moments(values, places)
        at_reference, at_current = means[: self.reference], means[self.reference :]
        mean = at_reference.mean(0, keepdim=True)
        # The variance of a union: the mean of the variances, and the variance of the means.
        variance = (variances[: self.reference] + (at_reference - mean).square()).mean(0, keepdim=True)
        own = 1 / (self.reference + 1)
        centre = torch.lerp(mean.expand_as(at_current), at_current, own)
        spread = (1 - own) * (variance + (mean - centre).square()) + own * (
            variances[self.reference :] + (at_current - centre).square()
        )
        centres = torch.cat([mean.expand_as(at_reference), centre])
        spreads = torch.cat([variance.expand_as(at_reference), spread])
        normalised = (values - centres) * torch.rsqrt(spreads + EPSILON)
        return (normalised * self.weight.view(per_feature) + self.bias.view(per_feature)).to(x.dtype)


def _moments(values: Tensor, places: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Mean and variance of each sample's maps, (N, F, 1, …); of plain features, these and 0."""
    if not places:
        return values, torch.zeros_like(values)
    mean = values.mean(places, keepdim=True)
    return mean, (values - mean).square().mean(places, keepdim=True)


class WithReference(nn.Module):
    """A generator with virtual batch normalisation: z (B, Z) → samples, its reference batch going along.

    The reference batch, R latents, is a buffer, so that states and checkpoints hold it. Each forward pass runs
    R + B samples through `network`.
    """

    def __init__(self, network: nn.Module, reference: int, latent_dimension: int) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("reference", torch.randn(reference, latent_dimension))
        self.reference: Tensor

    def forward(self, z: Tensor) -> Tensor:
        return self.network(torch.cat([self.reference, z]))[len(self.reference) :]


def norm_of(networks: Any, usual: Callable[[int], nn.Module]) -> Callable[[int], nn.Module]:
    """Return what makes the recipe's normalisation of so many features: virtual, or the `usual`."""
    options = networks.virtual_batch_norm
    return usual if options is None else partial(VirtualBatchNorm, reference=options.reference)


def with_reference(networks: Any, generator: nn.Module, latent_dimension: int) -> nn.Module:
    """Return an initialised generator with the reference batch that the recipe's normalisation needs, if any."""
    options = networks.virtual_batch_norm
    return generator if options is None else WithReference(generator, options.reference, latent_dimension)


@torch.no_grad()
def choose_reference(generator: nn.Module, draw: Callable[[int], Tensor]) -> None:
    """Fix the reference batch, where `generator` has one, as `draw`(R), (R, Z): latents of the game's own kind."""
    if isinstance(generator, WithReference):
        generator.reference.copy_(draw(len(generator.reference)))
