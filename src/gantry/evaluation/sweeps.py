"""Samples of one trained run at other settings: truncated latents, w drawn towards its mean."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy

import torch
from torch import Tensor

from gantry.data.prepared import PreparedSet
from gantry.errors import UserError
from gantry.evaluation.sample import SCORED_SEED, Array, sampled
from gantry.methods.latents import Truncation
from gantry.methods.sampler import Sampler
from gantry.metrics.names import METRICS, PSI, SCALED, TRUNCATION
from gantry.plan.blocks.players import Latent

Inputs = dict[str, Tensor]
# A sampler as it is at a setting, and what becomes of the inputs that it draws.
At = tuple[Sampler, Callable[[Inputs, torch.Generator], Inputs] | None]


def swept(
    sampler: Sampler,
    latent: Latent,
    sweep: Mapping[str, Sequence[float]],
    count: int,
    device: torch.device,
    held_out: PreparedSet | None = None,
) -> Iterator[tuple[str, Array]]:
    """Yield "truncation 0.5" and `count` samples of the first source, for every value of every setting.

    They begin with the seed of the run's own samples, so that of w the same ones are drawn towards the mean. Networks
    stay as they were trained: BatchNorm keeps its running statistics, unless the method asks for standing ones.
    """
    for setting, values in sweep.items():
        for value in values:
            there, altered = SETTINGS[setting](sampler, latent, value)
            source, seed = sampler.sources[0], SCORED_SEED + 1000
            yield f"{setting} {value:g}", sampled(there, source, count, seed, device, held_out, altered)


def of_samples(names: Sequence[str]) -> list[str]:
    """Return those of the metrics that look at samples, and not at what else the networks say or at their latents."""
    return [name for name in names if METRICS[name].needs != "method" and not METRICS[name].of_latents]


def _truncated(sampler: Sampler, latent: Latent, threshold: float) -> At:
    """Brock et al. 2019, section 3.1: each number of z is drawn anew while it is beyond ±`threshold`."""
    return _narrowed(sampler, latent, Truncation(threshold), TRUNCATION)


def _scaled(sampler: Sampler, latent: Latent, factor: float) -> At:
    """Their published demo: `factor` times a normal that is cut at ±2."""
    return _narrowed(sampler, latent, Truncation(factor, scaled=True), SCALED)


def _narrowed(sampler: Sampler, latent: Latent, truncation: Truncation, setting: str) -> At:
    def altered(inputs: Inputs, randomness: torch.Generator) -> Inputs:
        if "z" not in inputs or latent.distribution != "normal":
            raise UserError(
                f"sweep.{setting}: these samples start from no normal latents: take it out of the workload"
            )
        return inputs | {"z": truncation.draw(latent, len(inputs["z"]), randomness)}

    return sampler.standing_at(truncation), altered


def _near_the_mean(sampler: Sampler, latent: Latent, psi: float) -> At:
    """Karras et al. 2019, appendix B: w̄ + ψ·(w − w̄) in all layers."""
    if "truncate" not in sampler.can:
        raise UserError("sweep.psi: these networks have no w: take it out of the workload")
    there = copy(sampler)
    there.truncate(psi, None)
    return there, None


SETTINGS: dict[str, Callable[[Sampler, Latent, float], At]] = {
    TRUNCATION: _truncated,
    SCALED: _scaled,
    PSI: _near_the_mean,
}
