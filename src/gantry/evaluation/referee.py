"""The referee of classes: what real samples of each class look like, and which class a sample looks like.

Of points it is the mixture's own posterior, of images a logistic regression on the feature network's features of real
training images, which never saw a generated one.
"""

import sys
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantry.data import PreparedSet
from gantry.errors import UserError
from gantry.evaluation.real_features import RealFeatures
from gantry.evaluation.stored import LEARNT_FROM, StoredStatistics
from gantry.metrics import classes as of_classes
from gantry.metrics.classes import fitted
from gantry.metrics.features import FeatureNetwork
from gantry.metrics.frechet import GaussianStatistics, gaussian_statistics
from gantry.plan.checks import FEW_OF_A_CLASS, few_of_a_class
from gantry.progress import tell

Array = NDArray[Any]


class ClassReferee:
    """What real samples of each class look like, and which class a sample looks like."""

    def __init__(
        self, prepared: PreparedSet, network: FeatureNetwork | None, stored: StoredStatistics | None = None
    ) -> None:
        if prepared.labels is None or prepared.labels.ndim != 1:
            raise UserError(
                f"data set {prepared.name}: these metrics compare with classes, and it has none: take them out of the "
                "workload's metrics, or a labelled data set"
            )
        self.prepared = prepared
        self.network = network
        self.labels = prepared.labels
        self._real = RealFeatures(prepared, network, stored)
        self.features = self._real.of

    @cached_property
    def real(self) -> tuple[Array, Array, Array, Array]:
        """Features and labels that the referee learns from, and those it is tested on."""
        held_out, learnt = self.prepared.held_out(), self._real.learnt()
        labels = self.labels[: len(learnt)]
        if held_out is not None and held_out.labels is not None:
            return learnt, labels, self._real.held_out(held_out), np.asarray(held_out.labels[:LEARNT_FROM])
        rows = len(learnt) * 4 // 5  # the last fifth stays unseen
        return learnt[:rows], labels[:rows], learnt[rows:], np.asarray(labels[rows:])

    @cached_property
    def statistics(self) -> dict[int, GaussianStatistics]:
        """The Gaussian of each class's real features."""
        if self.network is None:
            means, variance = np.asarray(self.prepared.manifest["means"]), self.prepared.manifest["variance"]
            return {
                k: GaussianStatistics(m, variance * np.eye(len(m)), len(self.labels))
                for k, m in enumerate(means)
            }
        learnt, labels, _, _ = self.real
        smallest = int(np.unique(labels, return_counts=True)[1].min())
        if smallest < FEW_OF_A_CLASS:
            tell(f"gantry: warning: {few_of_a_class(self.prepared.name, smallest)}")
        return {
            int(k): gaussian_statistics(learnt[labels == k])
            for k in np.unique(labels)
            if (labels == k).sum() > 1
        }

    @cached_property
    def predict(self) -> Callable[[Array], Array]:
        """Features (N, D) → classes (N,)."""
        if self.network is None:
            means = np.asarray(self.prepared.manifest["means"])
            return lambda points: ((points[:, None] - means) ** 2).sum(-1).argmin(1)
        return fitted(*self.real[:2])

    @cached_property
    def accuracy(self) -> tuple[float, int]:
        """The share of unseen real samples whose class the referee sees, and how many they were."""
        _, _, tested, labels = self.real
        return of_classes.label_accuracy(self.predict(tested), labels), len(labels)

    def tells(self, what: str) -> bool:
        """Whether it is right about unseen real samples at least twice as often as by chance; if not, say so."""
        accuracy, count = self.accuracy
        least = 2 / len(np.unique(self.labels))
        if accuracy < least:
            print(
                f"gantry: data set {self.prepared.name}: {what} left out: the referee is right about {accuracy:.3f} of "
                f"{count:,} unseen real samples, below {least:.3f}, twice chance: take features that tell the classes "
                "apart",
                file=sys.stderr,
            )
        return accuracy >= least


def class_scores(referee: ClassReferee, features: Array, asked: Array) -> dict[str, float]:
    """Return accuracy, spread and Fréchet distances within the classes that samples of these features were asked for.

    Accuracy is left out where the referee cannot tell real classes apart.
    """
    distances = of_classes.class_frechet_distances(features, asked, referee.statistics)
    suffix = "_points" if referee.network is None else ""
    seen = {}
    if referee.tells("label_accuracy"):
        seen[f"label_accuracy{suffix}"] = of_classes.label_accuracy(referee.predict(features), asked)
    return seen | {
        f"within_class_spread{suffix}": of_classes.within_class_spread(features, asked, referee.statistics),
        f"class_frechet_distance{suffix}": float(np.mean(list(distances.values()))),
        f"class_frechet_distance_worst{suffix}": max(distances.values()),
    }


def train_on_samples_scores(referee: ClassReferee, features: Array, asked: Array) -> dict[str, float]:
    """Return the accuracy on real held-out images of a classifier that learns from samples alone (CAS).

    UserError where nothing is held out.
    """
    if referee.prepared.held_out() is None:
        raise UserError(
            f"metrics: train_on_samples_accuracy is of held-out samples, and data set {referee.prepared.name} holds "
            "none out: give it held_out: 500, say, in workflow/datasets.yaml"
        )
    if len(np.unique(asked)) < 2:
        raise UserError(
            "metrics: train_on_samples_accuracy: all samples are of one class: nothing is to learn"
        )
    _, _, tested, labels = referee.real
    return {"train_on_samples_accuracy": of_classes.label_accuracy(fitted(features, asked)(tested), labels)}


def confusion(asked: Array, seen: Array) -> dict[str, float]:
    """Return the share of the samples of each class that are taken for each, by "confusion_asked_seen".

    "confusion" is the largest share of one class that is taken for one other.
    """
    shares = of_classes.confusion(asked, seen)
    others = shares - np.diag(np.diag(shares))
    found = {f"confusion_{i}_{j}": float(share) for (i, j), share in np.ndenumerate(shares)}
    return {"confusion": float(others.max())} | found
