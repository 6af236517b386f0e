"""Scores of translators that have styles or codes: do styles count, and do codes of two domains mean the same?"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gantry.data.batches import as_input
from gantry.data.prepared import PreparedSet
from gantry.errors import UserError
from gantry.evaluation.sample import SCORED_SEED, samples_of
from gantry.evaluation.translated import Translated, named_domain, of_length_1
from gantry.methods.domains import part_of
from gantry.metrics import classes as of_classes

Array = NDArray[Any]
INPUTS = 500  # held-out samples at most that are asked again and again
STYLES = 4  # of each


def _need(translated: Translated, ability: str, remedy: str) -> None:
    if ability not in translated.sampler.can:
        raise UserError(f"metrics: this method has no {remedy} out of its workload's metrics")


def _given(part: PreparedSet, count: int = INPUTS) -> torch.Tensor:
    """The first samples of a part, as networks read them."""
    samples = torch.from_numpy(np.array(part.samples[:count]))
    return as_input(samples) if part.kind == "images" else samples


def _pairwise(sets: Array) -> float:
    """The mean distance of two of the K entries (K, N, D) of a row; of features the square, as `feature_distance`."""
    count = len(sets)
    apart = [np.square(sets[i] - sets[j]).sum(-1) for i in range(count) for j in range(i)]
    return float(np.mean(apart))


def diversity(translated: Translated) -> dict[str, float]:
    """How far apart translations of one input are in different styles, over how far apart two real samples are."""
    _need(translated, "translate_in_style", "styles: take style_diversity")
    sampler, source = translated.sampler, translated.source
    held_out = translated.held_out
    start = _given(part_of(held_out, named_domain(sampler.origin(source))))
    randomness = torch.Generator().manual_seed(SCORED_SEED)
    made = [
        samples_of(
            sampler, source, {"x": start, "z": sampler.draw_styles(len(start), randomness)}, sampler.device
        )
        for _ in range(STYLES)
    ]
    real = np.array(part_of(held_out, named_domain(sampler.reference(source))).samples[: 2 * (INPUTS // 2)])
    network = translated.network

    def seen(samples: Array) -> Array:
        if network is None:
            return samples.astype(np.float64)
        return of_length_1(network.extract(samples).features)

    ours = _pairwise(np.stack([seen(batch) for batch in made]))
    theirs = _pairwise(np.stack(np.array_split(seen(real[: len(real) // 2 * 2]), 2)))
    points = network is None
    share = float(np.sqrt(ours / theirs)) if points else ours / theirs
    return {"style_diversity_points" if points else "style_diversity": share}


@torch.inference_mode()
def recovery(translated: Translated) -> dict[str, float]:
    """How far the style that is found in a translation is from the one that it was given; 1: it tells nothing."""
    _need(translated, "translate_in_style", "styles: take style_recovery_ratio")
    sampler, source = translated.sampler, translated.source
    start = _given(part_of(translated.held_out, named_domain(sampler.origin(source)))).to(sampler.device)
    z = sampler.draw_styles(len(start), torch.Generator().manual_seed(SCORED_SEED)).to(sampler.device)
    found = torch.cat(
        [
            sampler.style_of(source, sampler.translate_in_style(source, x, style))
            for x, style in zip(start.split(100), z.split(100), strict=True)
        ]
    ).float()
    error, shuffled = ((found - style).square().mean().sqrt() for style in (z, z.roll(1, 0)))
    return {"style_recovery_ratio": float(error / shuffled)}


@torch.inference_mode()
def _codes(translated: Translated, source: str, count: int = 4 * INPUTS) -> Array:
    """Codes (N, C) of held-out samples of the domain that `source` begins in."""
    sampler = translated.sampler
    start = _given(part_of(translated.held_out, named_domain(sampler.origin(source))), count)
    parts = [sampler.code_of(source, x.to(sampler.device)).float().cpu() for x in start.split(500)]
    return torch.cat(parts).double().numpy()


def domains_told_apart(translated: Translated) -> dict[str, float]:
    """How often a logistic regression of half of the held-out codes tells the domains of the other half."""
    _need(translated, "code_of", "codes: take domain_accuracy")
    codes = [_codes(translated, direction) for direction in (translated.source, translated.reversed)]
    halves: list[list[Array]] = [[code[::2] for code in codes], [code[1::2] for code in codes]]
    learnt, tested = (np.concatenate(half) for half in halves)
    labels = [np.repeat([0, 1], [len(part) for part in half]) for half in halves]
    return {
        "domain_accuracy": of_classes.label_accuracy(of_classes.fitted(learnt, labels[0])(tested), labels[1])
    }


def pairs_of_codes(translated: Translated) -> dict[str, float]:
    """How far apart the codes of a pair are, that was never seen as one, over how far those of no pair are."""
    _need(translated, "code_of", "codes: take code_ratio")
    if translated.held_out.inputs is None:
        raise UserError(
            f"metrics: data set {translated.held_out.name} has no pairs: take code_ratio out of the "
            "workload's metrics, or give it inputs:"
        )
    one, other = (_codes(translated, direction) for direction in (translated.source, translated.reversed))
    apart, shuffled = (
        np.sqrt(np.square(code - other).sum(1).mean()) for code in (one, np.roll(one, 1, axis=0))
    )
    return {"code_ratio": float(apart / shuffled)}


CODED: dict[str, Callable[[Translated], dict[str, float]]] = {
    **dict.fromkeys(("style_diversity", "style_diversity_points"), diversity),
    "style_recovery_ratio": recovery,
    "domain_accuracy": domains_told_apart,
    "code_ratio": pairs_of_codes,
}
