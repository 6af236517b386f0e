"""Scores of what a condition, a code or a head does: turns told apart, diversity at one condition, what codes order."""

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from gantry.data.batches import as_input
from gantry.errors import UserError
from gantry.evaluation.sample import BATCH, SCORED_SEED, samples_of
from gantry.evaluation.translated import of_length_1
from gantry.methods.infogan import CodeSampler
from gantry.methods.sampler import Sampler
from gantry.methods.stackgan import StackedSampler
from gantry.metrics.caption_diversity import caption_diversity
from gantry.metrics.colours import colour_gaps
from gantry.metrics.rank import rank_correlation, statistics_of, strongest
from gantry.terms.rotation import TURNS

if TYPE_CHECKING:
    from gantry.evaluation.asked import AskedScorer

Array = NDArray[Any]
CONDITIONS = 32  # at most, of the held-out rows or of the classes in turn
OF_EACH = 16  # samples of one condition


@torch.inference_mode()
def rotation(scorer: "AskedScorer", sampler: Sampler, source: str, samples: Array) -> dict[str, float]:
    """How often D's head tells by how much held-out images were turned, each of them by 0, 90, 180 and 270 degrees.

    Left out, with a word, for checkpoints of before discriminators were kept. Chance is ¼.
    """
    held_out = scorer.prepared.held_out()
    if held_out is None or held_out.kind != "images":
        raise UserError(
            f"metrics: rotation_accuracy needs held-out images, and data set {scorer.prepared.name} has none: give it "
            "held_out: 500, say, in workflow/datasets.yaml"
        )
    if "tell_turns" not in sampler.can:
        print(
            "gantry: rotation_accuracy is left out: the checkpoint keeps no discriminator that tells turns (method "
            "s3gan with rotation, trained since discriminators are kept)",
            file=sys.stderr,
        )
        return {}
    right = []
    for start in range(0, len(held_out), BATCH):
        images = as_input(torch.from_numpy(np.array(held_out.samples[start : start + BATCH])))
        for turns in range(TURNS):
            said = sampler.tell_turns(images.rot90(turns, (2, 3)))
            right.append((said.argmax(1) == turns).cpu())
    return {"rotation_accuracy": float(torch.cat(right).double().mean())}


@torch.inference_mode()
def diversity(scorer: "AskedScorer", sampler: Sampler, source: str, samples: Array) -> dict[str, float]:
    """How far apart 16 samples of one condition are, two by two: of features of length 1, or of points themselves."""
    held_out, network = scorer.prepared.held_out(), scorer.network
    count = CONDITIONS * OF_EACH
    inputs = sampler.inputs(source, range(count), torch.Generator().manual_seed(SCORED_SEED), held_out)
    if "labels" not in inputs:
        raise UserError(
            "metrics: caption_diversity is of samples that are asked for a class, attributes or a caption: take it "
            "out of the workload's metrics"
        )
    one_each = inputs | {"labels": inputs["labels"][:CONDITIONS].repeat_interleave(OF_EACH, 0)}
    made: Array = samples_of(sampler, source, one_each, sampler.device)
    seen = made if network is None else of_length_1(network.extract(made).features)
    name = "caption_diversity_points" if network is None else "caption_diversity"
    return {name: caption_diversity(seen.reshape(CONDITIONS, OF_EACH, -1))}


@torch.inference_mode()
def code(scorer: "AskedScorer", sampler: Sampler, source: str, samples: Array) -> dict[str, float]:
    """How far continuous codes order what Q reads of fresh samples, and what can be seen of these; means over codes.

    What is seen is one statistic of several, the one that a code orders most, among samples of one value of the first
    categorical code.
    """
    if not isinstance(sampler, CodeSampler) or not sampler.options.continuous:
        raise UserError(
            "metrics: code_rank is of continuous codes (method infogan with continuous: 2, say): take it out of the "
            "workload's metrics"
        )
    inputs = sampler.inputs(source, range(len(samples)), torch.Generator().manual_seed(SCORED_SEED))
    made = samples_of(sampler, source, inputs, sampler.device)
    first = sum(sampler.options.categorical)
    drawn, asked = inputs["code"][:, first:].numpy(), sampler.asked(source, range(len(samples)))
    groups = np.zeros(len(samples), np.int64) if asked is None else asked
    read = []
    for start in range(0, len(made), BATCH):
        part = torch.from_numpy(made[start : start + BATCH])
        read.append(
            sampler.encode(as_input(part).to(sampler.device) if part.dim() == 4 else part.to(sampler.device))
        )
    said, seen = torch.cat(read)[:, first:].float().cpu().numpy(), statistics_of(made)
    codes = range(sampler.options.continuous)
    return {
        "code_rank": float(np.mean([rank_correlation(drawn[:, c], said[:, c]) for c in codes])),
        "code_rank_seen": float(np.mean([strongest(drawn[:, c], seen, groups) for c in codes])),
    }


@torch.inference_mode()
def colours(scorer: "AskedScorer", sampler: Sampler, source: str, samples: Array) -> dict[str, float]:
    """How far colours of a size are from those of the next coarser one of the same inputs; nothing of the coarsest."""
    if not isinstance(sampler, StackedSampler):
        raise UserError(
            "metrics: colour_mean_gap and colour_covariance_gap are of images of several sizes at once (methods "
            "stackgan and stackgan_pp): take them out of the workload's metrics"
        )
    finer = sampler.sources.index(source)
    if finer + 1 == len(sampler.sources):
        return {}
    coarser = sampler.sources[finer + 1]
    inputs = sampler.inputs(
        source, range(len(samples)), torch.Generator().manual_seed(SCORED_SEED), scorer.prepared.held_out()
    )
    coarse: list[Array] = []
    fine: list[Array] = []
    for start in range(0, len(samples), BATCH):
        part = {name: value[start : start + BATCH].to(sampler.device) for name, value in inputs.items()}
        for name, images in ((coarser, coarse), (source, fine)):
            images.append(sampler.sample(name, part).float().cpu().numpy())
    mean, covariance = colour_gaps(np.concatenate(coarse), np.concatenate(fine))
    return {"colour_mean_gap": mean, "colour_covariance_gap": covariance}


OF_CONDITIONS = {
    "rotation_accuracy": rotation,
    "caption_diversity": diversity,
    "caption_diversity_points": diversity,
    **dict.fromkeys(["code_rank", "code_rank_seen"], code),
    **dict.fromkeys(["colour_mean_gap", "colour_covariance_gap"], colours),
}
