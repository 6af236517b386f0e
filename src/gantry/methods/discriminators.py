"""The discriminator of a game, whatever stands behind it: one network, two, none, or one that sees packs."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from gantry.networks import build_discriminator
from gantry.objectives import Objective
from gantry.plan.recipe import Recipe


class SideBySide(nn.Module):
    """Several discriminators of the same samples; their outputs stand side by side, (B, Σ outputs)."""

    def __init__(self, parts: Iterable[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, samples: Tensor) -> Tensor:
        return torch.cat([part(samples) for part in self.parts], dim=1)


class Packed(nn.Module):
    """PacGAN: one row of logits for each `size` consecutive samples, seen together. (B, …) → (B/size, outputs).

    Samples are packed along their first dimension: points (size·D,), images (size·C, R, R). B is a multiple of
    `size`. Lin et al. 2018, section 2.
    """

    def __init__(self, discriminator: nn.Module, size: int) -> None:
        super().__init__()
        self.discriminator = discriminator
        self.size = size

    def forward(self, samples: Tensor) -> Tensor:
        channels, *rest = samples.shape[1:]
        return self.discriminator(samples.reshape(-1, self.size * channels, *rest))


def build_discriminators(recipe: Recipe, sample_shape: tuple[int, ...], objective: Objective) -> nn.Module:
    """Return what judges samples: forward(samples (B, *sample_shape)) → raw outputs.

    Where the objective has no discriminator, the outputs are the samples themselves, as rows (B, D).
    """
    if objective.discriminators == 0:
        return nn.Flatten()
    channels, *rest = sample_shape
    seen = (recipe.pack * channels, *rest)
    parts = [
        build_discriminator(recipe.networks, seen, objective.outputs) for _ in range(objective.discriminators)
    ]
    discriminator = parts[0] if len(parts) == 1 else SideBySide(parts)
    return Packed(discriminator, recipe.pack) if recipe.pack > 1 else discriminator
