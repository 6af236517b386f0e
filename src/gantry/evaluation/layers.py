"""Whether masks lie where layers differ: of samples of a data set whose ink has a colour, and nothing else has.

In x = m·f + (1 − m)·b with a grey b, chroma, the largest less the smallest channel, is m times that of f. So a sample
itself says where its foreground is, as an image of the set does, and no second network has to be believed.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantry.data import PreparedSet
from gantry.errors import UserError
from gantry.evaluation.sample import BATCH, SCORED_SEED
from gantry.methods.sampler import Sampler

if TYPE_CHECKING:
    from gantry.evaluation.asked import AskedScorer

Array = NDArray[Any]


def chroma(images: Tensor) -> Tensor:
    """Return the largest less the smallest channel of images (N, 3, H, W) in [−1, 1]: (N, 1, H, W) in [0, 1]."""
    return (images.amax(1, keepdim=True) - images.amin(1, keepdim=True)) / 2


def overlap(masks: Tensor, truth: Tensor) -> float:
    """Return the intersection over the union of masks (N, 1, H, W) in [0, 1], Σ min / Σ max, mean over N."""
    shared, either = torch.minimum(masks, truth).sum((1, 2, 3)), torch.maximum(masks, truth).sum((1, 2, 3))
    return float((shared / either.clamp_min(1e-12)).mean())


@torch.inference_mode()
def masks(scorer: "AskedScorer", sampler: Sampler, source: str, samples: Array) -> dict[str, float]:
    """How far a sample's own mask covers its ink; the ratio has the masks of other samples below.

    Of several foregrounds it is what any of them covers, 1 − Π(1 − m_t). A ratio of 1 is a mask that knows nothing of
    its sample.
    """
    ink = _ink(scorer.prepared)
    inputs = sampler.inputs(source, range(len(samples)), torch.Generator().manual_seed(SCORED_SEED))
    own, seen = [], []
    for start in range(0, len(samples), BATCH):
        part = {name: value[start : start + BATCH].to(sampler.device) for name, value in inputs.items()}
        made = sampler.parts(source, part) if "parts" in sampler.can else {}
        layers = [opacity for name, opacity in made.items() if name.startswith("mask")]
        if not layers:
            raise UserError(
                "metrics: mask_iou is of methods whose samples have masks (networks.family lrgan, two steps or more): "
                "take it out of the workload's metrics"
            )
        own.append((1 - torch.stack([1 - opacity for opacity in layers]).prod(0)).float().cpu())
        seen.append((chroma(list(made.values())[-1].float()).cpu() / ink).clamp(0, 1))
    mask, truth = torch.cat(own), torch.cat(seen)
    found = overlap(mask, truth)
    return {"mask_iou": found, "mask_iou_ratio": found / max(overlap(mask.roll(1, 0), truth), 1e-12)}


def _ink(prepared: PreparedSet) -> float:
    """Return the chroma of the foreground of a data set with known layers, on [0, 1]."""
    ink = prepared.manifest.get("ink")
    if ink is None:
        raise UserError(
            f"metrics: mask_iou needs a data set whose layers are known, and {prepared.name} is none: take it out of "
            "the workload's metrics, or source pasted_digits"
        )
    return float(np.ptp(ink)) / 255
