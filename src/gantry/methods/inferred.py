"""Labels that are inferred before a GAN is trained on them: from few known ones, or from none.

Lučić et al. 2019, section 3.1: a classifier on self-supervised features, and clusters of these.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from gantry.data.batches import as_input
from gantry.data.prepared import PreparedSet, open_prepared
from gantry.errors import UserError
from gantry.files import digest_of, read_mapping, write_with
from gantry.methods.labelled import known_rows
from gantry.metrics.classes import fitted, label_accuracy, majority_purity
from gantry.networks.turns import TurnNetwork
from gantry.progress import ProgressBar
from gantry.runs.outputs import is_current, record_of, recorded
from gantry.runs.paths import labels_name
from gantry.terms.rotation import TURNS, turned

Labels = NDArray[np.int64]
TURNED = 32  # images of a step, of which each is seen four ways
EXTRACTED = 500


def inferred_labels(prepared: PreparedSet, told: dict[str, Any]) -> Labels:
    """Return (N,) labels of a set, inferred as `told`; what lies beside the set is read, or made where it is not."""
    path = prepared.folder / labels_name(told)
    manifest = prepared.folder / "manifest.json"
    current = path.is_file() and is_current([path], [manifest], digest_of(told))
    if not current or read_mapping(record_of(path))["facts"]["known"] != digest_of_known(prepared, told):
        write_labels(manifest, told, path)
    return np.load(path, allow_pickle=False)


def digest_of_known(prepared: PreparedSet, told: dict[str, Any]) -> str:
    """Return a digest of the labels that are read, of which a manifest's own digest says nothing; "" where none is."""
    if "known" not in told:
        return ""
    known = known_rows(prepared, told["known"], told["labels_seed"])
    assert prepared.labels is not None
    return digest_of([known.tolist(), prepared.labels[known].tolist()])


def write_labels(manifest: Path, told: dict[str, Any], out: Path) -> dict[str, Any]:
    """Infer the labels of a prepared set, write them and their record; return what the record says of them."""
    prepared = open_prepared(manifest)
    with recorded([out], [manifest], digest_of(told)) as facts:
        # The randomness of a run that makes them on its way stays as it was.
        with torch.random.fork_rng(devices=[]):
            labels = infer(prepared, told)
        write_with(out, lambda temporary: np.save(temporary, labels))
        facts |= {"told": told, "known": digest_of_known(prepared, told)}
        facts |= agreement(prepared, labels, told)
    return facts


def infer(prepared: PreparedSet, told: dict[str, Any]) -> Labels:
    """Return (N,) labels: known ones as they are, and all others as told; clusters are numbered from 0 on."""
    seed = int(told["labels_seed"])
    known = known_rows(prepared, told["known"], seed) if "known" in told else None
    features = (
        rotation_features(prepared, told["pretraining"], seed)
        if told["features"] == "rotation"
        else np.array(prepared.samples, np.float64).reshape(len(prepared), -1)
    )
    if known is None:
        return clustered(features, told["clusters"], seed)
    assert prepared.labels is not None
    labels = fitted(features[known], prepared.labels[known])(features).astype(np.int64)
    labels[known] = prepared.labels[known]
    return labels


def clustered(features: NDArray[Any], clusters: int, seed: int) -> Labels:
    """Return the clusters (N,) that k-means makes of features (N, F), each number of which has mean 0, deviation 1."""
    from sklearn.cluster import KMeans
    from sklearn.preprocessing import StandardScaler

    if clusters > len(features):
        raise UserError(f"method.clusters {clusters}: there are only {len(features):,} samples: take fewer")
    means = KMeans(clusters, n_init=4, random_state=seed)
    return means.fit_predict(StandardScaler().fit_transform(features.astype(np.float64))).astype(np.int64)


def rotation_features(prepared: PreparedSet, iterations: int, seed: int) -> NDArray[np.float32]:
    """Return features (N, F) of images, from a network that has learned to tell their turns, and nothing else."""
    torch.manual_seed(seed)
    network = TurnNetwork(prepared.sample_shape[0]).train()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    turns = torch.arange(TURNS).repeat_interleave(TURNED)
    bar = ProgressBar(f"turns of {prepared.name}", iterations, "it")
    for _ in range(iterations):
        rows = torch.randint(len(prepared), (TURNED,)).numpy()
        images = as_input(torch.from_numpy(prepared.samples[rows]))
        optimiser.zero_grad()
        loss = cross_entropy(network(torch.cat([images, turned(images)])), turns)
        loss.backward()
        optimiser.step()
        bar.advance(1)
    bar.close()
    network.eval()
    with torch.inference_mode():
        parts = [
            network.features(
                as_input(torch.from_numpy(np.array(prepared.samples[start : start + EXTRACTED])))
            )
            for start in range(0, len(prepared), EXTRACTED)
        ]
    return torch.cat(parts).numpy()


def agreement(prepared: PreparedSet, labels: Labels, told: dict[str, Any]) -> dict[str, Any]:
    """Return how often inferred labels are right, which no training reads; empty where nobody knows."""
    true = prepared.labels
    if true is None or true.ndim != 1:
        return {}
    if "clusters" in told:
        return {"purity": majority_purity(labels, true), "of": len(true)}
    hidden = np.setdiff1d(np.arange(len(true)), known_rows(prepared, told["known"], told["labels_seed"]))
    return {"right": label_accuracy(labels[hidden], true[hidden]), "of": len(hidden)}
