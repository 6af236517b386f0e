"""What encoders find back of samples and latents, and generators of the structures that they are given."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantry.data import PreparedSet
from gantry.data.batches import as_input
from gantry.errors import UserError
from gantry.evaluation.sample import BATCH, SCORED_SEED
from gantry.methods.sampler import Sampler
from gantry.methods.ssgan import StructureSampler

if TYPE_CHECKING:
    from gantry.evaluation.asked import AskedScorer

Array = NDArray[Any]


@torch.inference_mode()
def reconstruction(scorer: "AskedScorer", sampler: Sampler, source: str, samples: Array) -> dict[str, float]:
    """How far reconstructions are from real samples, held-out ones where there are any; and from others' ones.

    The error is ‖x − G(E(x))‖, root mean square over samples and numbers; the ratio has the same reconstructions,
    each beside another sample, in its denominator. 1 is an encoder that has learned nothing.
    """
    if "reconstruct" not in sampler.can:
        raise UserError("metrics: this method has no encoder: take reconstruction_error out of its workload")
    real = _real_samples(scorer.prepared, len(samples))
    rebuilt = torch.cat([sampler.reconstruct(part).float().cpu() for part in real.split(500)])
    error = (rebuilt - real).square().mean().sqrt()
    shuffled = (rebuilt.roll(1, 0) - real).square().mean().sqrt()
    return {"reconstruction_error": float(error), "reconstruction_ratio": float(error / shuffled)}


@torch.inference_mode()
def latents(scorer: "AskedScorer", sampler: Sampler, source: str, samples: Array) -> dict[str, float]:
    """How far E(G(z)) is from z, root mean square; the ratio has other samples' z in its denominator."""
    inputs = sampler.inputs(source, range(len(samples)), torch.Generator().manual_seed(SCORED_SEED))
    if "encode" not in sampler.can or "z" not in inputs:
        raise UserError(
            "metrics: this method has no encoder of its latents: take latent_error out of its workload"
        )
    found = []
    for start in range(0, len(samples), BATCH):
        part = {name: value[start : start + BATCH].to(sampler.device) for name, value in inputs.items()}
        found.append(sampler.encode(sampler.sample(source, part)).float().cpu())
    z, codes = inputs["z"], torch.cat(found)
    error, shuffled = ((codes - noise).square().mean().sqrt() for noise in (z, z.roll(1, 0)))
    return {"latent_error": float(error), "latent_ratio": float(error / shuffled)}


@torch.inference_mode()
def structure(scorer: "AskedScorer", sampler: Sampler, source: str, samples: Array) -> dict[str, float]:
    """How far samples are from the structures that they were given, those of real samples; held-out ones if any.

    The error is ‖s(G(s, z)) − s‖, root mean square; the ratio has the same samples, each beside the structure of
    another, in its denominator. 1 is a generator that does not look at what it is given.
    """
    if not isinstance(sampler, StructureSampler):
        raise UserError(
            "metrics: structure_error is of samples that are given a structure (method ssgan): take it out of the "
            "workload's metrics"
        )
    given, found = sampler.structures(
        _real_samples(scorer.prepared, len(samples)), torch.Generator().manual_seed(SCORED_SEED)
    )
    error, shuffled = ((found - s).square().mean().sqrt() for s in (given, given.roll(1, 0)))
    return {"structure_error": float(error), "structure_ratio": float(error / shuffled)}


def _real_samples(prepared: PreparedSet, count: int) -> Tensor:
    """Return `count` real samples at most as networks see them, held-out ones where there are any."""
    of = prepared.held_out() or prepared
    real = torch.from_numpy(np.array(of.samples[:count]))
    return as_input(real) if of.kind == "images" else real
