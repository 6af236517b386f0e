"""Path lengths of a sampler: pairs of images whose latents lie ε apart on a way between two draws."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from gantry.errors import UserError
from gantry.evaluation.sample import BATCH, SCORED_SEED
from gantry.methods.sampler import Sampler
from gantry.metrics.path_length import EPSILON, path_length, slerp

PAIRS = 2_000  # at most; the authors take 100,000

Inputs = dict[str, Tensor]
# What makes samples of inputs, the latents at the other end, and t.
Images = Callable[[Inputs, Tensor, Tensor], Tensor]


def path_length_z(sampler: Sampler, source: str, count: int) -> float:
    """Along great circles in Z; latents are scaled to their mean length, which a generator that norms them ignores."""

    def images(given: Inputs, others: Tensor, t: Tensor) -> Tensor:
        z = given["z"]
        start, end, places = (tensor.double().cpu().numpy() for tensor in (z, others, t))
        way = torch.from_numpy(slerp(start, end, places))
        return sampler.sample(source, given | {"z": z.norm(dim=1).mean() * way.to(z)})

    return _length(sampler, source, count, images)


def path_length_w(sampler: Sampler, source: str, count: int) -> float:
    """Along straight ways in W."""
    if "between" not in sampler.can:
        raise UserError(
            "metrics: path_length_w is of methods with a W (networks.family stylegan): take it out of the workload"
        )
    return _length(
        sampler, source, count, lambda given, others, t: sampler.between(source, given, others, t.to(others))
    )


@torch.inference_mode()
def _length(sampler: Sampler, source: str, count: int, images: Images) -> float:
    """At places drawn uniformly on the ways; both images of a pair have the same inputs but for the latents."""
    randomness = torch.Generator().manual_seed(SCORED_SEED)
    ends = sampler.inputs(source, range(min(count, PAIRS)), randomness)
    if "z" not in ends:
        raise UserError(
            "metrics: samples of this method start from no latents: take path lengths out of its workload"
        )
    others = sampler.inputs(source, range(len(ends["z"])), randomness)["z"]
    t = torch.rand(len(others), generator=randomness, dtype=torch.float64)

    def at(places: Tensor) -> np.ndarray:
        parts = []
        for start in range(0, len(places), BATCH):
            part = slice(start, start + BATCH)
            given = {name: value[part].to(sampler.device) for name, value in ends.items()}
            made = images(given, others[part].to(sampler.device), places[part].to(sampler.device))
            parts.append(made.float().cpu().numpy())
        return np.concatenate(parts)

    return path_length(at(t), at(t + EPSILON))
