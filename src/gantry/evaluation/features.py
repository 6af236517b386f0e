"""Feature networks prepared for scoring: the embedded classifier, and statistics of the real images."""

from pathlib import Path

import numpy as np

from gantry.data import open_prepared
from gantry.data.prepared import verify_beside, verify_digests
from gantry.errors import UserError
from gantry.evaluation.stored import LEARNT_FROM, StoredStatistics
from gantry.metrics.features import load_feature_network, train_embedded_classifier
from gantry.progress import tell
from gantry.system.device import choose_device

CLASSIFIER_SEED = 0


def train_classifier(manifests: list[Path], out: Path) -> None:
    """Train the embedded classifier on prepared image sets: a labelled set brings its classes, another is one.

    Writes the weights as safetensors and prints the accuracy on held-out images.
    """
    images, labels, classes = [], [], 0
    for manifest in manifests:
        prepared = open_prepared(manifest)
        if prepared.kind != "images":
            raise UserError(f"{manifest}: the classifier learns from images, and this set holds points")
        verify_digests(prepared)
        own = np.zeros(len(prepared.samples), np.int64) if prepared.labels is None else prepared.labels
        images.append(np.asarray(prepared.samples))
        labels.append(np.asarray(own) + classes)
        classes += int(own.max()) + 1
    accuracy = train_embedded_classifier(np.concatenate(images), np.concatenate(labels), CLASSIFIER_SEED, out)
    tell(f"embedded classifier: {classes} classes, accuracy {accuracy:.3f} on held-out images")


def store_real_statistics(
    manifest: Path, network: str, weights: Path | None, out: Path, device: str, threads: int
) -> None:
    """Write to `out` what scoring needs of a prepared set's features: once for all runs on the set."""
    chosen = choose_device(device, threads)
    prepared = open_prepared(manifest)
    if prepared.kind != "images":
        raise UserError(f"{manifest}: features are of images, and this set holds points")
    intact = verify_beside(prepared)
    extract = load_feature_network(network, weights, chosen).extract
    seen = extract(prepared.samples)
    stored = StoredStatistics.of(prepared.name, seen, network, prepared.digest)
    if prepared.labels is not None:
        part = prepared.held_out()
        tested = None if part is None else extract(part.samples[:LEARNT_FROM]).features
        digest = "" if part is None else part.digest
        stored = stored.with_what_referees_see(seen.features[:LEARNT_FROM], tested, digest)
    intact.result()
    stored.save(out)
