"""Scores of translations of held-out samples, against the truth where it is known, and there and back.

Beside a method's own rows stand some that need no training: `identity`, the inputs as outputs; `bicubic`, where outputs
are larger; `real`, held-out samples of the target domain. Of a second direction they are called `identity b→a`, and so
are all of a translator between many, where `identity` is their mean.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from gantry.data.batches import as_input
from gantry.data.pairs import low
from gantry.data.prepared import PreparedSet
from gantry.errors import UserError
from gantry.evaluation.sample import samples_of
from gantry.methods.domains import Domain, part_of
from gantry.methods.sampler import Sampler
from gantry.methods.translating import HELD_OUT
from gantry.metrics import similarity
from gantry.metrics.features import FeatureNetwork
from gantry.metrics.names import BACK, BICUBIC, IDENTITY, INPUT, REAL, TRUTH

Array = NDArray[Any]
# Noise on a translation before it goes back, which destroys what is hidden in it: 5 grey levels; of points in σ's own
# unit, a tenth.
NOISE = {"images": 2 * 5 / 255, "points": 0.1}
NOISE_SEED = 20_171_208


def is_translator(sampler: Sampler) -> bool:
    """Whether samples are made of samples of another domain."""
    return "translate" in sampler.can


def untrained(sampler: Sampler, held_out: PreparedSet | None, count: int) -> dict[str, tuple[str, Array]]:
    """Return rows to compare translations with: name → (source whose place it takes, samples)."""
    if held_out is None:
        raise UserError(HELD_OUT)
    found = {}
    for number, source in enumerate(sampler.sources):
        suffix = f" {source}" if number or len(sampler.sources) > 2 else ""
        given = inputs_of(sampler, source, held_out, count)
        target = part_of(held_out, named_domain(sampler.reference(source))).samples
        if given.shape[1:] == target.shape[1:]:
            found[f"{IDENTITY}{suffix}"] = source, given
        elif held_out.kind == "images":
            found[f"{BICUBIC}{suffix}"] = source, enlarged(given, target.shape[1])
        found[f"{REAL}{suffix}"] = source, np.asarray(target[:count])
    return found


def shown_beside(
    sampler: Sampler, held_out: PreparedSet | None, shown: Mapping[str, Array], count: int
) -> dict[str, Array]:
    """Return what figures show beside shown translations: "input a→b", "back a→b", "truth a→b", where there are."""
    assert held_out is not None, "the translations are of its samples"
    found = {}
    for source in sampler.sources:
        translated = Translated(sampler, source, shown[source], held_out, None)
        found[f"{INPUT} {source}"] = translated.inputs
        if translated.reversed in sampler.sources:
            made = shown[source]
            given = torch.from_numpy(np.array(made))
            given = as_input(given) if held_out.kind == "images" else given
            found[f"{BACK} {source}"] = samples_of(sampler, translated.reversed, {"x": given}, sampler.device)
        if held_out.inputs is not None:
            found[f"{TRUTH} {source}"] = translated.truth
    return found


def enlarged(images: Array, side: int) -> Array:
    """Return uint8 images (N, side, side, 3), by Pillow's bicubic filter."""
    sized = (Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC) for image in images)
    return np.stack([np.asarray(image) for image in sized])


def named_domain(named: Domain | None) -> Domain:
    """Return the domain that a sampler names; None is that of the samples."""
    return "samples" if named is None else named


def inputs_of(sampler: Sampler, source: str, held_out: PreparedSet, count: int) -> Array:
    """Return what the first `count` translations of `source` are made of: uint8 images or points."""
    of = part_of(held_out, named_domain(sampler.origin(source))).samples
    return np.asarray(of[np.arange(count) % len(of)])


def truth_of(sampler: Sampler, source: str, held_out: PreparedSet, count: int) -> Array:
    """Return what these translations should be. UserError where the held-out part has no pairs."""
    if held_out.inputs is None:
        raise UserError(
            f"metrics: data set {held_out.name} has no pairs, so nobody knows what a translation should be: take l1, "
            "psnr, ssim, feature_distance and translation_error out of the workload's metrics, or give it inputs:"
        )
    of = part_of(held_out, named_domain(sampler.reference(source))).samples
    return np.asarray(of[np.arange(count) % len(of)])


class Translated:
    """Translations of one source, and what they are compared with."""

    def __init__(
        self,
        sampler: Sampler,
        source: str,
        samples: Array,
        prepared: PreparedSet,
        network: FeatureNetwork | None,
    ) -> None:
        self.sampler, self.source, self.samples, self.network = sampler, source, samples, network
        self.prepared = prepared

    @cached_property
    def held_out(self) -> PreparedSet:
        """The held-out part of the set; the set itself, if it is that part."""
        if self.prepared.manifest.get("part") == "held_out":
            return self.prepared
        held_out = self.prepared.held_out()
        if held_out is None:
            raise UserError(HELD_OUT)
        return held_out

    @property
    def inputs(self) -> Array:
        return inputs_of(self.sampler, self.source, self.held_out, len(self.samples))

    @property
    def truth(self) -> Array:
        return truth_of(self.sampler, self.source, self.held_out, len(self.samples))

    @property
    def reversed(self) -> str:
        """What the way back is called, whether there is one or not."""
        start, end = self.source.split("→")
        return f"{end}→{start}"

    @property
    def back(self) -> str:
        """The source that goes the other way; UserError where there is none."""
        other = self.reversed
        if other not in self.sampler.sources:
            raise UserError(
                "metrics: this method has no way back: take cycle_error and cycle_error_noisy out of its workload"
            )
        return other

    def likeness(self) -> dict[str, float]:
        """L1, PSNR and SSIM to the truth, of RGB and of luminance without a border as wide as the enlargement."""
        truth = self.truth
        border = truth.shape[1] // self.inputs.shape[1] if truth.shape[1] > self.inputs.shape[1] else 0
        ours, theirs = (similarity.luminance(images, border) for images in (self.samples, truth))
        return {
            "l1": similarity.l1(self.samples, truth),
            "psnr": similarity.psnr(self.samples, truth),
            "ssim": similarity.ssim(self.samples, truth),
            "psnr_y": similarity.psnr(ours, theirs),
            "ssim_y": similarity.ssim(ours, theirs),
        }

    def features(self) -> dict[str, float]:
        """The mean squared distance of features of length 1 to those of the truth."""
        assert self.network is not None
        ours, theirs = (self.network.extract(images).features for images in (self.samples, self.truth))
        apart = of_length_1(ours) - of_length_1(theirs)
        return {"feature_distance": float(np.square(apart).sum(axis=1).mean())}

    def error(self) -> dict[str, float]:
        """The root mean square of the distance of points to where they should be."""
        apart = self.samples.astype(np.float64) - self.truth
        return {"translation_error": float(np.sqrt(np.square(apart).sum(axis=1).mean()))}

    def consistency(self) -> dict[str, float]:
        """How far an enlarged image, made small again, is from its input."""
        factor = self.samples.shape[1] // self.inputs.shape[1]
        if factor < 2:
            raise UserError(
                "metrics: consistency is of enlarged images: take it out of the workload's metrics"
            )
        small = np.stack([low(image, factor, 0) for image in self.samples])
        return {"consistency": similarity.l1(small, self.inputs)}

    def information(self) -> dict[str, float]:
        """What the target mode tells of the source mode, in nats."""
        ends = (self.sampler.origin(self.source), self.sampler.reference(self.source))
        source, target = (
            np.asarray(part_of(self.prepared, named_domain(end)).manifest["means"]) for end in ends
        )
        return {"mode_information": similarity.mode_information(self.inputs, self.samples, source, target)}

    def cycle(self) -> dict[str, float]:
        """How far there and back ends from where it began; and with noise on the translation, which hides nothing."""
        given, back = self.inputs, self.back
        images = self.held_out.kind == "images"
        there = torch.from_numpy(np.array(self.samples))
        there = as_input(there) if images else there
        noise = torch.randn(there.shape, generator=torch.Generator().manual_seed(NOISE_SEED))
        noisy = there + NOISE[self.held_out.kind] * noise
        start = torch.from_numpy(given).double()
        scale = 255.0 if images else 1.0
        return {
            name: float((self._returned(back, translated) - start).abs().mean() / scale)
            for name, translated in (("cycle_error", there), ("cycle_error_noisy", noisy))
        }

    def _returned(self, back: str, samples: Tensor) -> Tensor:
        made = samples_of(self.sampler, back, {"x": samples}, self.sampler.device)
        return torch.from_numpy(made).double()


def of_length_1(features: Array) -> Array:
    """Return features (N, D), each at length 1."""
    wide = features.astype(np.float64)
    return wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)


Compute = Callable[[Translated], dict[str, float]]
OF_OUTPUTS: dict[str, Compute] = {
    **dict.fromkeys(("l1", "psnr", "ssim", "psnr_y", "ssim_y"), Translated.likeness),
    "feature_distance": Translated.features,
    "translation_error": Translated.error,
    "consistency": Translated.consistency,
    "mode_information": Translated.information,
}
OF_JOURNEYS: dict[str, Compute] = dict.fromkeys(("cycle_error", "cycle_error_noisy"), Translated.cycle)
TRANSLATED = OF_OUTPUTS | OF_JOURNEYS
