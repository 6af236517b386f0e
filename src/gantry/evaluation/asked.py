"""Scores of what a method was asked for: classes, codes, and the labels of held-out samples.

The referee's accuracy on real samples that it has not seen stands beside, as the row `real`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gantry.data import PreparedSet
from gantry.data.batches import as_input
from gantry.errors import UserError
from gantry.evaluation.attributes import LEARNT_FROM, AttributeReferee, attribute_scores
from gantry.evaluation.captions import CaptionReferee, auc, said_of
from gantry.evaluation.coded import CODED
from gantry.evaluation.conditions import OF_CONDITIONS
from gantry.evaluation.layers import masks
from gantry.evaluation.paths import path_length_w, path_length_z
from gantry.evaluation.reconstruction import latents, reconstruction, structure
from gantry.evaluation.referee import ClassReferee, class_scores, confusion, train_on_samples_scores
from gantry.evaluation.sample import BATCH, SCORED_SEED, to_uint8
from gantry.evaluation.stored import StoredStatistics
from gantry.evaluation.translated import OF_OUTPUTS, TRANSLATED, Compute, Translated, is_translator
from gantry.methods.growing import StyleSampler
from gantry.methods.sampler import Sampler
from gantry.methods.singan import SinganSampler
from gantry.metrics import classes as of_classes
from gantry.metrics.diversity import diversity
from gantry.metrics.features import FeatureNetwork
from gantry.metrics.names import IDENTITY, METRICS, REAL, metric
from gantry.metrics.separability import separability
from gantry.metrics.sifid import places, single_image_distance
from gantry.networks.singan import resized

Array = NDArray[Any]
Row = tuple[str, str, float, int, str]
ATTRIBUTES = 40  # at most that separability sums over, as many as the authors have
PICTURES = 50  # samples at most of which SIFID is a mean; the authors have as many pictures


def asked_metrics(names: Iterable[str]) -> list[str]:
    """Return those of the metrics that are computed here."""
    return [name for name in names if METRICS[name].of_asked] if names else []


class AskedScorer:
    """Scores one sampler's samples, by source, against what they were asked for."""

    def __init__(
        self, prepared: PreparedSet, network: FeatureNetwork | None, stored: StoredStatistics | None = None
    ) -> None:
        self.prepared = prepared
        self.network = network
        self.stored = stored
        self._referee: ClassReferee | None = None

    @cached_property
    def attribute_referee(self) -> AttributeReferee:
        """Made when first needed."""
        return AttributeReferee(self.prepared, self.network, self.stored)

    @cached_property
    def caption_referee(self) -> CaptionReferee:
        """Made when first needed."""
        return CaptionReferee(self.prepared, self.network, self.stored)

    @property
    def referee(self) -> ClassReferee:
        """Made when first needed."""
        self._referee = self._referee or ClassReferee(self.prepared, self.network, self.stored)
        return self._referee

    @property
    def suffix(self) -> str:
        """What follows the names of metrics of points."""
        return "_points" if self.network is None else ""

    def __call__(
        self,
        sampler: Sampler,
        drawn: dict[str, Array],
        names: list[str],
        places: Mapping[str, str] | None = None,
    ) -> Iterator[Row]:
        """Yield (source, metric, value, samples, network) for every source and metric.

        `places` names the source in whose place samples stand; real ones stand beside the others alone.
        """
        used = self.network.name if self.network else ""
        for source, samples in drawn.items():
            place = (places or {}).get(source, source)
            if place not in sampler.sources:
                continue
            for compute in dict.fromkeys(ASKED[name] for name in names):
                for name, value in compute(self, sampler, place, samples).items():
                    yield source, name, value, len(samples), used if metric(name).uses_network else ""
        if places is None and "confusion" in names:
            _, _, tested, labels = self.referee.real
            for name, value in confusion(labels, self.referee.predict(tested)).items():
                yield REAL, name, value, len(labels), used
        if places is None and {"label_accuracy", "label_accuracy_points", "train_on_samples_accuracy"} & set(
            names
        ):
            accuracy, count = self.referee.accuracy
            yield (
                REAL,
                "label_accuracy_points" if self.network is None else "label_accuracy",
                accuracy,
                count,
                used,
            )
        held_out = self.prepared.held_out() if places is None and "caption_auc" in names else None
        if held_out is not None and held_out.labels is not None:
            real = np.asarray(held_out.samples[:LEARNT_FROM])
            for name, value in self.caption_referee.auc(real, said_of(held_out.labels[:LEARNT_FROM])).items():
                yield REAL, name, value, len(real), used
        if places is None and any(name.startswith("attribute_") for name in names):
            shares, count = self.attribute_referee.on_real
            for attribute, share in (
                ("", shares.mean()),
                *((f"_{a}", accuracy) for a, accuracy in enumerate(shares)),
            ):
                yield REAL, f"attribute_accuracy{self.suffix}{attribute}", float(share), count, used

    def compare(
        self, sampler: Sampler, rows: dict[str, Array], names: list[str], places: Mapping[str, str]
    ) -> Iterator[Row]:
        """Yield what the outputs of a translator are asked for, of rows that stand in the place of its sources."""
        used = self.network.name if self.network else ""
        for name, samples in rows.items():
            translated = Translated(sampler, places[name], samples, self.prepared, self.network)
            for compute in dict.fromkeys(
                OF_OUTPUTS[quantity] for quantity in names if quantity in OF_OUTPUTS
            ):
                for quantity, value in compute(translated).items():
                    yield name, quantity, value, len(samples), used if METRICS[quantity].uses_network else ""
            if name == IDENTITY and any(quantity.startswith("attribute_") for quantity in names):
                for quantity, value in self.attributes(sampler, places[name], samples).items():
                    yield name, quantity, value, len(samples), used

    def translation(
        self, compute: Compute, sampler: Sampler, source: str, samples: Array
    ) -> dict[str, float]:
        """What `compute` finds of a translator's outputs."""
        if not is_translator(sampler):
            raise UserError(
                "metrics: this method does not translate: take the metrics of translations out of its workload"
            )
        return compute(Translated(sampler, source, samples, self.prepared, self.network))

    @torch.inference_mode()
    def coupling(self, sampler: Sampler, source: str, samples: Array) -> dict[str, float]:
        """How far pairs of coupled generators are from belonging together; the ratio has shuffled pairs below.

        Which point of the second domain belongs to one of the first is what the affine map says that held-out pairs
        have in common. 1 is a pair of generators that know nothing of each other.
        """
        held_out = self.prepared.held_out()
        if held_out is None or held_out.inputs is None or held_out.kind != "points":
            raise UserError(
                "metrics: coupling_ratio needs held-out pairs of points (mixture_turned): take it out of the workload"
            )
        if not hasattr(sampler, "pairs"):
            raise UserError(
                "metrics: coupling_ratio is of coupled generators: take it out of the workload's metrics"
            )
        inputs, targets = (np.asarray(points, np.float64) for points in (held_out.inputs, held_out.samples))
        ones = np.ones((len(inputs), 1))
        affine, *_ = np.linalg.lstsq(np.hstack([inputs, ones]), targets, rcond=None)
        one, other = (points.double().numpy() for points in sampler.pairs(len(samples), SCORED_SEED))
        belongs = np.hstack([one, np.ones((len(one), 1))]) @ affine
        apart = np.sqrt(np.square(belongs - other).sum(1).mean())
        shuffled = np.sqrt(np.square(np.roll(belongs, 1, axis=0) - other).sum(1).mean())
        return {"coupling_ratio": float(apart / shuffled)}

    def _asked(self, sampler: Sampler, source: str, count: int) -> Array:
        asked = sampler.asked(source, range(count), self.prepared.held_out())
        if asked is None:
            raise UserError(
                "metrics: samples of this method are asked for nothing: take label metrics out of its workload"
            )
        return asked

    def by_class(self, sampler: Sampler, source: str, samples: Array) -> dict[str, float]:
        """Accuracy, spread and Fréchet distances within the classes that were asked for."""
        asked, referee = self._asked(sampler, source, len(samples)), self.referee
        return class_scores(referee, referee.features(samples), asked)

    def attributes(self, sampler: Sampler, source: str, samples: Array) -> dict[str, float]:
        """How often attributes have become what was asked for, and the others have stayed what they were."""
        asked, held_out = self._asked(sampler, source, len(samples)), self.prepared.held_out()
        predicted = self.attribute_referee.predict(samples)
        assert held_out is not None and held_out.labels is not None
        own = held_out.labels[np.arange(len(samples)) % len(held_out)]
        return attribute_scores(predicted, asked, own, self.suffix)

    def train_on_samples(self, sampler: Sampler, source: str, samples: Array) -> dict[str, float]:
        """The accuracy on real held-out images of a classifier that learns from samples alone (CAS)."""
        asked, referee = self._asked(sampler, source, len(samples)), self.referee
        return train_on_samples_scores(referee, referee.features(samples), asked)

    def confused(self, sampler: Sampler, source: str, samples: Array) -> dict[str, float]:
        """Which class samples of each class are taken for by the referee."""
        asked, referee = self._asked(sampler, source, len(samples)), self.referee
        return confusion(asked, referee.predict(referee.features(samples)))

    def code(self, sampler: Sampler, source: str, samples: Array) -> dict[str, float]:
        """How well the first categorical code names the classes."""
        asked, referee = self._asked(sampler, source, len(samples)), self.referee
        predicted = referee.predict(referee.features(samples))
        return {
            "code_purity" + ("_points" if self.network is None else ""): of_classes.purity(asked, predicted)
        }

    @torch.inference_mode()
    def information(self, sampler: Sampler, source: str, samples: Array) -> dict[str, float]:
        """The bound L_I of the code's information in fresh samples, in nats."""
        inputs = sampler.inputs(source, range(len(samples)), torch.Generator().manual_seed(SCORED_SEED))
        return {"information_bound": sampler.information(source, inputs)}

    @torch.inference_mode()
    def one_picture(self, sampler: Sampler, source: str, samples: Array) -> dict[str, float]:
        """Of one picture: the samples' diversity, and the error of the rebuilt one beside bicubic enlargement's.

        Errors are root mean squares on [−1, 1]; enlarged is the picture at the coarsest scale.
        """
        if not isinstance(sampler, SinganSampler):
            raise UserError(
                "metrics: diversity and picture_error are of one picture (method singan): take them out of the workload"
            )
        picture = np.array(self.prepared.samples[sampler.picture])
        real = as_input(torch.from_numpy(picture[None]))
        rebuilt = sampler.reconstruct(real).float().cpu()
        enlarged = resized(resized(real, sampler.scales.sizes[0]), real.shape[-1]).clamp(-1, 1)
        error, of_bicubic = ((image - real).square().mean().sqrt() for image in (rebuilt, enlarged))
        return {
            "diversity": diversity(samples, picture),
            "picture_error": float(error),
            "picture_error_ratio": float(error / of_bicubic),
        }

    @torch.inference_mode()
    def separability(self, sampler: Sampler, source: str, samples: Array) -> dict[str, float]:
        """How far classes are linear in z and w; an attribute is whether a sample looks like one class or any other.

        Its score is the network's log odds of the class; theirs are of 40 classifiers of faces, and here there are as
        many at most, the classes that samples look like most often. Of as many fresh samples.
        """
        if (
            not isinstance(sampler, StyleSampler)
            or self.network is None
            or not self.network.has_probabilities
        ):
            raise UserError(
                "metrics: separability is of methods with a W (networks.family stylegan), judged by a feature network "
                "that classifies (embedded): take it out of the workload"
            )
        inputs = sampler.inputs(source, range(len(samples)), torch.Generator().manual_seed(SCORED_SEED))
        styles, logits = [], []
        for start in range(0, len(samples), BATCH):
            part = {name: value[start : start + BATCH].to(sampler.device) for name, value in inputs.items()}
            styles.append(sampler.styles(source, part["z"])[0].float().cpu())
            made = to_uint8(sampler.sample(source, part)).cpu().numpy()
            logits.append(torch.from_numpy(self.network.extract(made).logits).double())
        log_shares = torch.cat(logits).log_softmax(1)
        often = (
            log_shares.argmax(1).bincount(minlength=log_shares.shape[1]).argsort(descending=True, stable=True)
        )
        odds = (log_shares - (1 - log_shares.exp()).clamp_min(1e-12).log())[:, often[:ATTRIBUTES]].numpy()
        latents = {"z": inputs["z"], "w": torch.cat(styles)}
        found = {f"separability_{name}": separability(value.numpy(), odds) for name, value in latents.items()}
        return found | {"separability_ratio": found["separability_w"] / found["separability_z"]}

    def sifid(self, sampler: Sampler, source: str, samples: Array) -> dict[str, float]:
        """The mean distance between the places of the picture and those of each of 50 samples at most."""
        if not isinstance(sampler, SinganSampler) or self.network is None:
            raise UserError("metrics: sifid is of one picture (method singan): take it out of the workload")
        real = places(self.network, np.array(self.prepared.samples[sampler.picture]))
        made = (places(self.network, sample) for sample in samples[:PICTURES])
        return {"sifid": float(np.mean([single_image_distance(real, sample) for sample in made]))}

    def path_length_z(self, sampler: Sampler, source: str, samples: Array) -> dict[str, float]:
        """Of as many pairs as there are samples, at most; see `paths`."""
        return {"path_length_z": path_length_z(sampler, source, len(samples))}

    def path_length_w(self, sampler: Sampler, source: str, samples: Array) -> dict[str, float]:
        """The same along straight ways in W, and how many times that is along great circles in Z."""
        in_w = path_length_w(sampler, source, len(samples))
        return {
            "path_length_w": in_w,
            "path_length_ratio": in_w / path_length_z(sampler, source, len(samples)),
        }

    @torch.inference_mode()
    def test_error(self, sampler: Sampler, source: str, samples: Array) -> dict[str, float]:
        """The share of held-out samples that the method's own classifier takes for another class."""
        held_out = self.prepared.held_out()
        if held_out is None or held_out.labels is None:
            raise UserError(
                f"metrics: test_error needs held-out samples, and data set {self.prepared.name} has none: give it "
                "held_out: 500, say, in workflow/datasets.yaml"
            )
        real = torch.from_numpy(np.array(held_out.samples))
        seen = as_input(real) if held_out.kind == "images" else real
        predicted, labels = sampler.classify(seen).argmax(1).cpu().numpy(), held_out.labels.astype(np.int64)
        return {"test_error": 1 - of_classes.label_accuracy(predicted, labels)}


@cache
def through(compute: Compute) -> Callable[[AskedScorer, Sampler, str, Array], dict[str, float]]:
    """Return `compute` as the table below has its functions; one for all metrics that it gives."""
    return lambda scorer, sampler, source, samples: scorer.translation(compute, sampler, source, samples)


ASKED: dict[str, Callable[[AskedScorer, Sampler, str, Array], dict[str, float]]] = {
    **dict.fromkeys(
        [
            f"{name}{suffix}"
            for name in (
                "label_accuracy",
                "within_class_spread",
                "class_frechet_distance",
                "class_frechet_distance_worst",
            )
            for suffix in ("", "_points")
        ],
        AskedScorer.by_class,
    ),
    **dict.fromkeys(
        [f"attribute_{name}{suffix}" for name in ("accuracy", "kept") for suffix in ("", "_points")],
        AskedScorer.attributes,
    ),
    "train_on_samples_accuracy": AskedScorer.train_on_samples,
    "confusion": AskedScorer.confused,
    "code_purity": AskedScorer.code,
    "code_purity_points": AskedScorer.code,
    "information_bound": AskedScorer.information,
    **dict.fromkeys(["diversity", "picture_error", "picture_error_ratio"], AskedScorer.one_picture),
    **dict.fromkeys(["separability_z", "separability_w", "separability_ratio"], AskedScorer.separability),
    "sifid": AskedScorer.sifid,
    "path_length_z": AskedScorer.path_length_z,
    "path_length_w": AskedScorer.path_length_w,
    "path_length_ratio": AskedScorer.path_length_w,
    "test_error": AskedScorer.test_error,
    **{name: through(compute) for name, compute in (TRANSLATED | CODED).items()},
    "coupling_ratio": AskedScorer.coupling,
    **OF_CONDITIONS,
    "caption_auc": auc,
    **dict.fromkeys(["latent_error", "latent_ratio"], latents),
    **dict.fromkeys(["structure_error", "structure_ratio"], structure),
    **dict.fromkeys(["mask_iou", "mask_iou_ratio"], masks),
    "reconstruction_error": reconstruction,
    "reconstruction_ratio": reconstruction,
}
