"""Encoders: the body of a family's discriminator, with a head of latents."""

from typing import Any

import torch
from torch import Tensor, nn

from gantry.networks import build_discriminator
from gantry.networks.conditions import without_head


class MomentsEncoder(nn.Module):
    """x → the mean and the logarithm of the deviation of some numbers, (B, Z) each; the latter is 0 unless `gaussian`.

    `body` gives `features` of a sample, which one dense layer reads.
    """

    def __init__(self, body: nn.Module, features: int, numbers: int, gaussian: bool) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Linear(features, numbers * (2 if gaussian else 1))
        self.gaussian = gaussian

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        said = self.head(self.body(samples)).float()
        if not self.gaussian:
            return said, torch.zeros_like(said)
        mean, log_deviation = said.chunk(2, dim=1)
        return mean, log_deviation.clamp(-8, 8)


class Encoder(MomentsEncoder):
    """x → the moments of z, by the body of a family's discriminator.

    Spectral norm, which would bound the codes, is left out; where the family has BatchNorm, that takes its place, as in
    the encoders of ALI, VAEGAN and BiGAN.
    """

    def __init__(self, networks: Any, shape: tuple[int, ...], latent: int, gaussian: bool) -> None:
        if getattr(networks, "spectral_norm", False):
            batch_norm = {"batch_norm": True} if hasattr(networks, "batch_norm") else {}
            without = {"spectral_norm": False, "power_iteration": None}
            networks = networks.model_copy(update=without | batch_norm)
        body, head = without_head(build_discriminator(networks, shape, 1))
        super().__init__(body, head.in_features, latent, gaussian)

    def code(self, samples: Tensor, noise: Tensor) -> Tensor:
        """Return z = μ(x) + σ(x)·ε, or E(x) where E is deterministic."""
        mean, log_deviation = self(samples)
        return mean + log_deviation.exp() * noise if self.gaussian else mean


def divergence_from_prior(mean: Tensor, log_deviation: Tensor) -> Tensor:
    """KL(N(μ, σ²) ‖ N(0, 1)) = ½ Σ (μ² + σ² − 1 − ln σ²), the mean over the batch; nats."""
    variance = (2 * log_deviation).exp()
    return 0.5 * (mean.square() + variance - 1 - 2 * log_deviation).sum(dim=1).mean()
