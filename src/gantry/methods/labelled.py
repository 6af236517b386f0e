"""Rows whose labels are known, where the rest is hidden."""

import numpy as np
from numpy.typing import NDArray

from gantry.data.batches import Stream, beside
from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.errors import UserError

WITH_CLASSES = "(mixture, digits, cifar10, svhn, or a folder with a folder for each class)"


def classes_of(data: DataShape, method: str) -> int:
    """Return how many classes the data set has; UserError, which names the method, where it has none."""
    if not data.classes:
        raise UserError(f"method {method}: the data set has no classes: take one that has {WITH_CLASSES}")
    return data.classes


def check_every_class_is_there(prepared: PreparedSet, data: DataShape) -> None:
    """Raise UserError for labels that are all the same, and for classes that no sample has: G is asked for all."""
    labels = prepared.labels
    if not data.classes or labels is None or labels.ndim != 1:
        return
    counts = np.bincount(labels, minlength=data.classes)
    there = np.flatnonzero(counts)
    if len(there) == 1:
        raise UserError(
            f"data set {prepared.name}: all {len(labels):,} labels are {there[0]}: is the folder layout right? Each "
            "class is a folder of its own"
        )
    if len(there) < len(counts):
        held = ", ".join(f"{k}: {counts[k]:,}" for k in there)
        raise UserError(
            f"data set {prepared.name}: {len(counts)} classes, but only {len(there)} of them have samples ({held}): "
            "number those anew, or draw a larger fraction"
        )


SHUFFLED_SEED = 0


def labels_beside(
    prepared: PreparedSet, data: DataShape, captions: int = 1, shuffled: bool = False
) -> Stream:
    """Return all samples with their labels; where they have several vectors, with the mean of `captions` of them.

    `shuffled` gives every sample the labels of another one, drawn once for all runs: the control, in which nothing is
    left to learn of a condition. Raises UserError for classes without a sample, and for more vectors than a sample
    has.
    """
    check_every_class_is_there(prepared, data)
    if data.vectors and captions > max(1, data.captions):
        raise UserError(
            f"method.captions {captions}: data set {prepared.name} has {max(1, data.captions)} of each sample: take as "
            "many or fewer"
        )
    if not shuffled:
        return Stream(beside=("labels",), captions=captions)
    others = np.random.default_rng(SHUFFLED_SEED).permutation(len(prepared))
    return Stream(beside=("labels",), labels=lambda: beside(prepared, "labels")[others], captions=captions)


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
    per_class, rest = divmod(known, len(classes))
    smallest = int(min((labels == label).sum() for label in classes))
    if rest or not 1 <= per_class <= smallest:
        raise UserError(
            f"method.known {known}: data set {prepared.name} has {len(classes)} classes, the smallest of {smallest} "
            f"samples: take a multiple of {len(classes)} up to {smallest * len(classes)}"
        )
    random = np.random.default_rng(seed)
    return np.sort(
        np.concatenate([random.permutation(np.flatnonzero(labels == k))[:per_class] for k in classes])
    )
