"""z, what generators start from."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from gantry.data.prepared import PreparedSet
from gantry.methods.sampler import Sampler
from gantry.plan.blocks.players import Latent

# Each distribution as random numbers and what becomes of them.
DISTRIBUTIONS: dict[str, tuple[Callable[..., Tensor], Callable[[Tensor], Tensor]]] = {
    "normal": (torch.randn, lambda n: n),
    "uniform": (torch.rand, lambda u: 2 * u - 1),
    "bernoulli": (torch.rand, lambda u: (u < 0.5).float()),
    "censored": (torch.randn, torch.relu),
}


def draw_latents(
    latent: Latent, count: int, device: torch.device, generator: torch.Generator | None = None
) -> Tensor:
    """Return (count, dimension) float32 latents, from `generator` or the device's default one.

    They are standard normal, uniform on [−1, 1], 0 or 1 alike often, or max(0, a normal number), times the recipe's
    scale. The last two are Brock et al. 2019's, appendix E.
    """
    draw, made = DISTRIBUTIONS[latent.distribution]
    return latent.scale * made(draw((count, latent.dimension), device=device, generator=generator))


def draw_truncated(latent: Latent, count: int, threshold: float, generator: torch.Generator) -> Tensor:
    """Return (count, dimension) normal latents, each number drawn anew while it is beyond ±`threshold`, on the CPU.

    Drawn by the inverse of the distribution function, so as many random numbers are spent whatever comes. Brock et
    al. 2019, section 3.1.
    """
    below = torch.special.ndtr(torch.tensor(-threshold, dtype=torch.float64))
    uniform = torch.rand((count, latent.dimension), dtype=torch.float64, generator=generator)
    z = torch.special.ndtri(below + uniform * (1 - 2 * below))
    return latent.scale * z.clamp(-threshold, threshold).float()


class Truncation(NamedTuple):
    """How normal latents are narrowed for sampling; the first is Brock et al.'s paper, the second their demo.

    Each number is drawn anew while it is beyond ±`at`; or, `scaled`, beyond ±2, and multiplied by `at`.
    """

    at: float
    scaled: bool = False

    def draw(self, latent: Latent, count: int, generator: torch.Generator) -> Tensor:
        """Return (count, dimension) such latents, on the CPU; as many random numbers are spent either way."""
        if self.scaled:
            return self.at * draw_truncated(latent, count, SCALED_CUT, generator)
        return draw_truncated(latent, count, self.at, generator)


# Where the demo cuts: scipy.stats.truncnorm(-2, 2), in TensorFlow Hub's BigGAN.
SCALED_CUT = 2.0


class LatentSampler(Sampler):
    """What samplers share whose generators start from z alone."""

    latent: Latent

    def inputs(
        self, source: str, rows: range, randomness: torch.Generator, held_out: PreparedSet | None = None
    ) -> dict[str, Tensor]:
        return {"z": draw_latents(self.latent, len(rows), torch.device("cpu"), randomness)}
