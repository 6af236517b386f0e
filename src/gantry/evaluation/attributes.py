"""Whether translations have the attributes that they were asked for, and have kept the others.

The referee of points is the mode that they are nearest to; of images a logistic regression for each attribute, on the
feature network's features of real training images. Its accuracy on real images that it has not seen stands beside.
"""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantry.data import PreparedSet
from gantry.errors import UserError
from gantry.evaluation.real_features import RealFeatures
from gantry.evaluation.stored import LEARNT_FROM, StoredStatistics
from gantry.methods.relabelling import check_both_there
from gantry.metrics.classes import fitted
from gantry.metrics.features import FeatureNetwork

Array = NDArray[Any]


class AttributeReferee:
    """Which attributes a sample looks as if it had."""

    def __init__(
        self, prepared: PreparedSet, network: FeatureNetwork | None, stored: StoredStatistics | None = None
    ) -> None:
        if prepared.labels is None or prepared.labels.ndim != 2:
            raise UserError(
                f"data set {prepared.name}: attribute_accuracy and attribute_kept compare with attributes, and it has "
                "none: take them out of the workload's metrics, or a set with attributes"
            )
        self.prepared = prepared
        self.network = network
        self._real = RealFeatures(prepared, network, stored)
        check_both_there(prepared.labels[:LEARNT_FROM], prepared.label_names, prepared.name)

    @cached_property
    def _heads(self) -> list[Any]:
        """A classifier of features for each attribute."""
        labels = self.prepared.labels
        assert labels is not None
        features = self._real.learnt()
        return [fitted(features, labels[:LEARNT_FROM, a]) for a in range(labels.shape[1])]

    def predict(self, samples: Array) -> Array:
        """Samples → attributes (N, A) of 0 and 1."""
        return self._seen(self._real.of(samples))

    def _seen(self, features: Array) -> Array:
        """Return the attributes (N, A) of samples with these features (N, D); points are their own."""
        if self.network is not None:
            return np.stack([head(features) for head in self._heads], axis=1)
        means = np.asarray(self.prepared.manifest["means"])
        nearest = ((features[:, None] - means) ** 2).sum(-1).argmin(1)
        return np.asarray(self.prepared.manifest["mode_attributes"])[nearest]

    @cached_property
    def on_real(self) -> tuple[Array, int]:
        """The share of unseen real samples of which the referee is right, by attribute, and how many they were."""
        held_out = self.prepared.held_out()
        assert held_out is not None and held_out.labels is not None, "translations are of held-out samples"
        labels = held_out.labels[:LEARNT_FROM]
        return (self._seen(self._real.held_out(held_out)) == labels).mean(0), len(labels)


def attribute_scores(predicted: Array, asked: Array, own: Array, suffix: str = "") -> dict[str, float]:
    """Return how often attributes that should change did, over all and each alone, and how often others stayed.

    All are (N, A) of 0 and 1. Of each attribute the share is over the samples that were asked to change it; the mean
    is over the attributes that anybody was asked to change.
    """
    changed, right = asked != own, predicted == asked
    of_each = {
        f"attribute_accuracy{suffix}_{a}": float(right[changed[:, a], a].mean())
        for a in range(asked.shape[1])
        if changed[:, a].any()
    }
    scores = {f"attribute_accuracy{suffix}": float(np.mean(list(of_each.values())))} if of_each else {}
    kept = {f"attribute_kept{suffix}": float(right[~changed].mean())} if (~changed).any() else {}
    return scores | of_each | kept
