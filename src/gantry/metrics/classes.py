"""Whether samples are of the classes that they were asked for, and how they spread within them.

Features are (N, D) of images, or points themselves; labels and predictions (N,) of whole numbers. Accuracy alone
proves little: it is perfect for one sample a class, so the other numbers belong beside it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from gantry.metrics.frechet import GaussianStatistics, frechet_distance, gaussian_statistics

Labels = NDArray[np.integer]
Features = NDArray[np.floating]


def fitted_scores(features: Features, labels: Labels) -> Callable[[Features], Features]:
    """Return a logistic regression of 0 and 1 on features: features (N, D) → log odds of 1, (N,)."""
    score: Callable[[Features], Features] = _regression(features, labels).decision_function
    return score


def fitted(features: Features, labels: Labels) -> Callable[[Features], Labels]:
    """Return a logistic regression of labels on features: features (N, D) → classes (N,)."""
    predict: Callable[[Features], Labels] = _regression(features, labels).predict
    return predict


def _regression(features: Features, labels: Labels) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return model.fit(features.astype(np.float64), labels)


def label_accuracy(predicted: Labels, asked: Labels) -> float:
    """Return the share of samples that a referee sees as what they were asked to be, in [0, 1]."""
    return float((predicted == asked).mean())


def class_frechet_distances(
    features: Features, asked: Labels, real: Mapping[int, GaussianStatistics]
) -> dict[int, float]:
    """Return the Fréchet distance of each class's samples to that class's real ones (intra-FID)."""
    return {
        label: frechet_distance(statistics, gaussian_statistics(features[asked == label]))
        for label, statistics in real.items()
        if (asked == label).sum() >= 2
    }


def within_class_spread(features: Features, asked: Labels, real: Mapping[int, GaussianStatistics]) -> float:
    """Return √(Tr Σ of samples / Tr Σ of real ones), the mean over classes; 1 is right, 0 one sample a class."""
    ratios = [
        np.sqrt(
            np.trace(np.cov(features[asked == label].astype(np.float64).T)) / np.trace(statistics.covariance)
        )
        for label, statistics in real.items()
        if (asked == label).sum() >= 2
    ]
    return float(np.mean(ratios))


def purity(codes: Labels, predicted: Labels) -> float:
    """Return the largest share of samples whose code names their class, over all one-to-one namings, in [0, 1]."""
    table = np.zeros((int(codes.max()) + 1, int(predicted.max()) + 1))
    np.add.at(table, (codes, predicted), 1)
    return float(table[linear_sum_assignment(table, maximize=True)].sum() / len(codes))


def majority_purity(clusters: Labels, labels: Labels) -> float:
    """Return the share of samples whose class is the commonest of their cluster, in [0, 1]."""
    table = np.zeros((int(clusters.max()) + 1, int(labels.max()) + 1))
    np.add.at(table, (clusters, labels), 1)
    return float(table.max(1).sum() / len(labels))


def confusion(asked: Labels, predicted: Labels) -> NDArray[np.float64]:
    """Return (K, K) shares: of the samples asked for class i, those that are seen as class j; each row adds up to 1."""
    count = int(max(asked.max(), predicted.max())) + 1
    table = np.zeros((count, count))
    np.add.at(table, (asked, predicted), 1)
    return table / np.maximum(table.sum(axis=1, keepdims=True), 1)
