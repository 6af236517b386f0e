"""Rows whose labels are known, where the rest is hidden."""

import numpy as np
from numpy.typing import NDArray

from gantry.data.prepared import PreparedSet
from gantry.errors import UserError


def known_rows(prepared: PreparedSet, known: int, seed: int) -> NDArray[np.int64]:
    """Return `known` rows, as many of each class, chosen by `seed`; ascending.

    Raises UserError for a set without classes, and for a number that the classes cannot share equally.
    """
    labels = prepared.labels
    if labels is None or labels.ndim != 1:
        raise UserError(
            f"data set {prepared.name} has no classes: method.known counts labels; take a set that has them (mixture, "
            "digits, cifar10, svhn, or a folder with a folder for each class)"
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
