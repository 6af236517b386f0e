"""Which classes images of a set were asked to be, and the scores that compare them with that."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantry.data import PreparedSet
from gantry.errors import UserError, suggestion
from gantry.evaluation.image_sets import ImageFolder, ImageSet
from gantry.evaluation.referee import ClassReferee, class_scores, train_on_samples_scores
from gantry.evaluation.stored import StoredStatistics
from gantry.metrics.features import FeatureNetwork

# What compares samples with the classes that they were asked for. The others of `metrics.of_asked` need a sampler.
OF_CLASSES = {
    **dict.fromkeys(
        ("label_accuracy", "within_class_spread", "class_frechet_distance", "class_frechet_distance_worst"),
        class_scores,
    ),
    "train_on_samples_accuracy": train_on_samples_scores,
}
SAYING_CLASSES = (
    "a folder with a folder of images for each class, an .npz of images and labels (N,), as `gantry sample RUN --out "
    "FILE.npz` writes it, or --generator RUN"
)


def scores_by_class(
    wanted: list[str],
    real: ImageSet | StoredStatistics,
    generated: ImageSet,
    network: FeatureNetwork,
    features: NDArray[Any],
) -> dict[str, float]:
    """Return the `wanted` scores of features (N, D) of the generated images, by metric.

    Raises UserError where the real set has no classes, or the generated one does not say which it was asked for. A
    referee that cannot tell real classes apart leaves `label_accuracy` out, and says so.
    """
    prepared = getattr(real, "prepared", None)
    if prepared is None or prepared.labels is None or prepared.labels.ndim != 1:
        raise UserError(
            f"metric {wanted[0]!r} compares with real images of each class, and {real.name} has no classes: give the "
            "manifest.json of a prepared set that has (gantry prepare)"
        )
    asked = asked_classes(generated, prepared, wanted[0])
    counts = np.bincount(asked, minlength=len(names_of(prepared)))
    if counts.min() < 2:
        lacking = names_of(prepared)[int(counts.argmin())]
        raise UserError(
            f"{generated.name}: {counts.min()} images were asked to be {lacking}: metric {wanted[0]!r} wants at least "
            "two of each class"
        )
    referee = ClassReferee(prepared, network)
    found: dict[str, float] = {}
    for compute in dict.fromkeys(OF_CLASSES[name] for name in wanted):
        found |= compute(referee, features, asked)
    return {name: found[name] for name in wanted if name in found}


def names_of(prepared: PreparedSet) -> tuple[str, ...]:
    """Return the names of a set's classes, or their numbers."""
    assert prepared.labels is not None
    return prepared.label_names or tuple(map(str, range(int(prepared.labels.max()) + 1)))


def asked_classes(some: ImageSet, prepared: PreparedSet, metric: str) -> NDArray[np.int64]:
    """Return the class that each image of a set was asked to be, (N,), numbered as in the prepared set."""
    names = names_of(prepared)
    labels = _by_folder(some, names) if isinstance(some, ImageFolder) else some.labels
    if labels is None:
        raise UserError(
            f"{some.name}: metric {metric!r} compares images with the classes that they were asked to be, and this "
            f"does not say them: give {SAYING_CLASSES}"
        )
    if labels.shape != (len(some),) or labels.dtype.kind not in "iu":
        raise UserError(
            f"{some.name}: labels {labels.shape} of {labels.dtype}: one whole number for each of {len(some):,} images "
            "is expected"
        )
    wrong = labels[(labels < 0) | (labels >= len(names))]
    if len(wrong):
        raise UserError(
            f"{some.name}: label {wrong[0]} is of no class of {prepared.name}, which has {len(names)}, numbered from 0"
        )
    return labels.astype(np.int64)


def _by_folder(some: ImageFolder, names: tuple[str, ...]) -> NDArray[np.int64] | None:
    """The class of each file by the folder that it lies in; None where some lie in none."""
    folders = [name.rpartition("/")[0].rpartition("/")[2] for name, _ in some.listing.files]
    if not all(folders):
        return None
    numbers = {name: number for number, name in enumerate(names)}
    for folder in folders:
        if folder not in numbers:
            raise UserError(
                f"{some.name}: folder {folder} has the name of no class{suggestion(folder, names)}; there are "
                f"{', '.join(names)}"
            )
    return np.array([numbers[folder] for folder in folders], np.int64)
