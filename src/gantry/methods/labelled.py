"""Rows whose labels are known, where the rest is hidden."""

import numpy as np
from numpy.typing import NDArray

from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.errors import UserError

WITH_CLASSES = "(mixture, digits, cifar10, svhn, or a folder with a folder for each class)"


def classes_of(data: DataShape, method: str) -> int:
    """Return how many classes the data set has; UserError, which names the method, where it has none."""
    if not data.classes:
        raise UserError(f"method {method}: the data set has no classes: take one that has {WITH_CLASSES}")
    return data.classes


def known_rows(prepared: PreparedSet, known: int, seed: int) -> NDArray[np.int64]:
    """Return `known` rows, as many of each class, chosen by `seed`; ascending.

    Raises UserError for a set without classes, and for a number that the classes cannot share equally.
    """
    labels = prepared.labels
    if labels is None or labels.ndim != 1:
        raise UserError(
            f"data set {prepared.name} has no classes: method.known counts labels; take a set that has them "
            f"{WITH_CLASSES}"
        )
    classes = np.unique(labels)
    each, rest = divmod(known, len(classes))
    smallest = int(min((labels == label).sum() for label in classes))
    if rest or not 1 <= each <= smallest:
        raise UserError(
            f"method.known {known}: data set {prepared.name} has {len(classes)} classes, the smallest of {smallest} "
            f"samples: take a multiple of {len(classes)} up to {smallest * len(classes)}"
        )
    random = np.random.default_rng(seed)
    return np.sort(np.concatenate([random.permutation(np.flatnonzero(labels == k))[:each] for k in classes]))
