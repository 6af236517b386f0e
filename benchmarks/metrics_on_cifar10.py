"""Every metric on real images: do they order CIFAR-10's test set and damaged versions of its training set rightly?

    uv run python benchmarks/metrics_on_cifar10.py IMAGES --network efficientnet-lite0 --count 2000 --csv scores.csv

IMAGES is a folder with train_images.npy (50000, 32, 32, 3) uint8, train_labels.npy, and the same for test.
Prints a Markdown table, and the processor's seconds that each metric took on the test set, beside those of its
reference implementation, which must give the same numbers; the two take turns and their medians are shown. The
references (clean-fid, torch-fidelity, prdc, scikit-learn) come with the development group. The reference set and
every other one are `count` different training images; only "test" comes from the test set. With --keep FOLDER what
the network saw is kept there, and a larger `count` looks only at the images that are new. --csv takes the scores as
tidy rows.
"""

import argparse
import csv
import io
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from gantry.evaluation.computations import COMPUTATIONS, Computation
from gantry.metrics import label, metric
from gantry.metrics.features import FeatureNetwork, Features, load_feature_network
from gantry.metrics.frechet import GaussianStatistics, gaussian_statistics
from racing import race
from references import (
    Numbers,
    fidelity_isc,
    fidelity_kid,
    line_through,
    nearest_by_scikit_learn,
    plain_mode_score,
    plain_swd,
)

Images = NDArray[np.uint8]
ENOUGH = 20.0  # seconds for the turns of one metric and its reference
# Largest relative difference, of numbers below LEAST as if they were LEAST: torch-fidelity's KID loses digits near 0.
ALLOWED = LEAST = 1e-3


class Seen(NamedTuple):
    """One set: its images, and what the network made of them."""

    images: Images
    features: NDArray[np.float32]
    logits: NDArray[np.float32] | None


def noisy(images: Images, sigma: float) -> Images:
    """Gaussian noise of `sigma` grey levels."""
    noise = np.random.default_rng(0).normal(0, sigma, images.shape)
    return np.clip(images + noise, 0, 255).round().astype(np.uint8)


def blurred(images: Images, radius: float) -> Images:
    """Gaussian blur of `radius` pixels."""
    return np.stack([np.asarray(Image.fromarray(x).filter(ImageFilter.GaussianBlur(radius))) for x in images])


def jpeg(images: Images, quality: int) -> Images:
    """JPEG of `quality`, and back."""

    def again(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "JPEG", quality=quality)
        return np.asarray(Image.open(stream))

    return np.stack([again(image) for image in images])


def versions(folder: Path, count: int) -> Iterator[tuple[str, Images]]:
    """The reference set first, then what is compared with it."""
    train, labels = (
        np.load(folder / f"train_{name}.npy", allow_pickle=False) for name in ("images", "labels")
    )
    order = np.random.default_rng(0).permutation(len(train))
    half, other = np.split(order, 2)
    yield "reference", train[half[:count]]
    yield "test", np.load(folder / "test_images.npy", allow_pickle=False)[:count]
    plain = train[other[:count]]
    yield "train, other half", plain
    yield "noise σ = 10", noisy(plain, 10)
    yield "noise σ = 40", noisy(plain, 40)
    yield "blur of 1 pixel", blurred(plain, 1)
    yield "JPEG quality 20", jpeg(plain, 20)
    yield "5 of 10 classes", train[other[labels[other] < 5][:count]]
    yield "1 of 10 classes", train[other[labels[other] == 0][:count]]


def main() -> None:
    """Compute and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", type=Path)
    parser.add_argument("--network", default="efficientnet-lite0")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for what the network saw")
    parser.add_argument("--csv", type=Path, help="file for the scores")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    network = load_feature_network(options.network, options.weights)
    known = [name for name in COMPUTATIONS if metric(name).needs != "logits" or network.has_probabilities]
    firsts: dict[Computation, str] = {}
    for name in known:
        firsts.setdefault(COMPUTATIONS[name], name)
    sets = versions(options.images, options.count)
    looking = Looking(network, options.keep)
    real = looking.at(*next(sets))
    statistics = fitted(real.features)
    columns: dict[str, Numbers] = {}
    test: Seen | None = None
    for name, images in sets:
        looked = looking.at(name, images)
        test = test or looked
        columns[name] = {}
        for first in firsts.values():
            columns[name] |= computed(first, real, statistics, looked)
        print(f"{name}: {columns[name]}", flush=True)
    print(f"\n{options.count} images a set, {options.network}\n")
    print("| metric |", " | ".join(columns), "|\n|---|" + "---:|" * len(columns))
    for name in next(iter(columns.values())):
        cells = " | ".join(f"{column[name]:.4g}" for column in columns.values())
        print(f"| {label(name, options.network)} | {cells} |")
    if options.csv:
        write(options.csv, columns, options.network, options.count)
    if looking.images:
        print(f"\nnetwork: {options.count * looking.seconds / looking.images:.3g} s a set")
    print("\n| metric | Gantry, s | reference | its seconds | largest difference |\n|---|---:|---|---:|---:|")
    for first in firsts.values():
        print(timed(first, real, statistics, test), flush=True)


def write(path: Path, columns: dict[str, Numbers], network: str, count: int) -> None:
    """The scores, a row each."""
    with path.open("w", newline="") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(["set", "metric", "label", "value", "images", "feature_network"])
        for name, column in columns.items():
            for each, value in column.items():
                used = network if metric(each).uses_network else ""
                rows.writerow([name, each, label(each, network), f"{value:.6g}", count, used])


def computed(name: str, real: Seen, statistics: GaussianStatistics, looked: Seen) -> Numbers:
    """The numbers of the computation that gives metric `name`, as runs and scoring by hand get them."""
    computation: Computation = COMPUTATIONS[name]
    needs = metric(name).needs
    reference = statistics if computation.reference == "gaussian" else getattr(real, needs)
    return computation.compute(reference, getattr(looked, needs), "cpu")


def fitted(features: NDArray[np.float32]) -> GaussianStatistics:
    """The real set's Gaussian with its factor, as it is stored."""
    statistics = gaussian_statistics(features)
    statistics.factor  # noqa: B018 (made here, once)
    return statistics


# ── reference implementations ──────────────────────────────────────────────────────────────────────────


def clean_fid(real: Seen, fake: Seen) -> Numbers:
    return {"frechet_distance": import_module("cleanfid.fid").fid_from_feats(real.features, fake.features)}


def clean_fid_often(real: Seen, fake: Seen) -> Numbers:
    rows = real.features.astype(np.float64)
    moments = rows.mean(axis=0), np.cov(rows, rowvar=False)
    return line_through(import_module("cleanfid.fid").frechet_distance, moments, fake.features)


def kid(real: Seen, fake: Seen) -> Numbers:
    return fidelity_kid(import_module("torch_fidelity.metric_kid"), real.features, fake.features)


def isc(real: Seen, fake: Seen) -> Numbers:
    return fidelity_isc(import_module("torch_fidelity.metric_isc"), fake.logits)


def prdc(real: Seen, fake: Seen) -> Numbers:
    return import_module("prdc").compute_prdc(real.features, fake.features, 5)


REFERENCES: dict[str, tuple[str, Callable[[Seen, Seen], Numbers]]] = {
    "frechet_distance": ("clean-fid", clean_fid),
    "frechet_distance_infinity": ("clean-fid, 15 times", clean_fid_often),
    "kernel_distance": ("torch-fidelity", kid),
    "inception_score": ("torch-fidelity", isc),
    "mode_score": ("NumPy", lambda real, fake: plain_mode_score(real.logits, fake.logits)),
    "precision": ("prdc", prdc),
    "neighbour_accuracy": (
        "scikit-learn",
        lambda real, fake: nearest_by_scikit_learn(real.features, fake.features),
    ),
    "swd": ("NumPy and SciPy", lambda real, fake: plain_swd(real.images, fake.images)),
}


def timed(name: str, real: Seen, statistics: GaussianStatistics, fake: Seen) -> str:
    """Seconds of metric `name` and of its reference as a row; the run ends where their numbers differ."""
    package, reference = REFERENCES[name]
    few = [Seen(*(part if part is None else part[:40] for part in some)) for some in (real, fake)]
    reference(*few)  # imports and first calls apart
    rivals: dict[str, Callable[[], Any]] = {
        "Gantry": lambda: computed(name, real, statistics, fake),
        package: lambda: reference(real, fake),
    }
    laps = race(rivals, time.process_time, enough=ENOUGH)
    own, other = laps["Gantry"], laps[package]
    off = max(abs(own.value[key] - value) / max(abs(value), LEAST) for key, value in other.value.items())
    if off > ALLOWED:
        sys.exit(f"{name}: {own.value} differs from {package}'s {other.value}")
    return f"| {name} | {own.seconds:.3g} | {package} | {other.seconds:.3g} | {off:.0e} |"


# ── what the network sees ──────────────────────────────────────────────────────────────────────────────


class Looking:
    """A network with what it has seen: `images` of them in `seconds` of the processor."""

    def __init__(self, network: FeatureNetwork, folder: Path | None) -> None:
        self.network, self.folder = network, folder
        self.images, self.seconds = 0, 0.0

    def at(self, name: str, images: Images) -> Seen:
        """What the network sees in the images; rows that the folder's file holds are not looked at again."""
        file = self.folder / f"{name}.npz" if self.folder else None
        parts = []
        if file is not None and file.exists():
            with np.load(file, allow_pickle=False) as kept:
                parts = [Features(kept["features"], kept.get("logits"))]
        start = len(parts[0].features) if parts else 0
        if start < len(images):
            started = time.process_time()
            parts.append(self.network.extract(images[start:]))
            self.seconds += time.process_time() - started
            self.images += len(images) - start
        features = np.concatenate([part.features for part in parts])
        some = [part.logits for part in parts if part.logits is not None]
        logits = np.concatenate(some) if some else None
        if file is not None and start < len(images):
            file.parent.mkdir(parents=True, exist_ok=True)
            np.savez(file, features=features, **({} if logits is None else {"logits": logits}))
        count = len(images)
        return Seen(images, features[:count], None if logits is None else logits[:count])


if __name__ == "__main__":
    main()
