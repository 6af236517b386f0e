"""Every metric on real images: do they order CIFAR-10's test set and damaged versions of its training set rightly?

    uv run python benchmarks/metrics_on_cifar10.py IMAGES --network efficientnet-lite0 --count 2000

IMAGES is a folder with train_images.npy (50000, 32, 32, 3) uint8, train_labels.npy, and the same for test.
Prints a Markdown table, and the processor's seconds that each metric took, beside those of its reference
implementation where one is installed (clean-fid, torch-fidelity, prdc, scikit-learn). The reference set and every
other one are `count` different training images; only "test" comes from the test set. With --keep FOLDER what the
network saw is kept there, and a larger `count` looks only at the images that are new.
"""

import argparse
import importlib
import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from gantry.evaluation.computations import COMPUTATIONS, Computation
from gantry.metrics import label, metric
from gantry.metrics.features import FeatureNetwork, Features, load_feature_network
from gantry.metrics.frechet import GaussianStatistics, gaussian_statistics
from metrics import plain_swd

Images = NDArray[np.uint8]
T = TypeVar("T")


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
    """Compute and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", type=Path)
    parser.add_argument("--network", default="efficientnet-lite0")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for what the network saw")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    network = load_feature_network(options.network, options.weights)
    names = [n for n in COMPUTATIONS if metric(n).needs != "logits" or network.has_probabilities]
    firsts: dict[Computation, str] = {}
    for name in names:
        firsts.setdefault(COMPUTATIONS[name], name)
    seconds: dict[str, float] = {}
    looked_at = 0
    columns: dict[str, dict[str, float]] = {}
    beside: dict[str, tuple[str, float | None]] = {}
    real: Seen | None = None
    real_statistics: GaussianStatistics | None = None
    for name, images in versions(options.images, options.count):
        file = options.keep / f"{name}.npz" if options.keep else None
        found, new = seen(network, images, seconds, file)
        looked_at += new
        looked = Seen(images, found.features, found.logits)
        if real is None or real_statistics is None:
            real = looked
            real_statistics = spent(seconds, "real statistics", lambda x=looked: fitted(x.features))
            continue
        column = columns.setdefault(name, {})
        for computation, first in firsts.items():
            needs = metric(first).needs
            reference = real_statistics if computation.reference == "gaussian" else getattr(real, needs)
            given = getattr(looked, needs)
            column |= spent(
                seconds, first, lambda c=computation, r=reference, g=given: c.compute(r, g, "cpu")
            )
        if len(columns) == 1:
            beside = {n: reference_seconds(n, real, looked) for n in firsts.values()}
        print(f"{name}: {column}", flush=True)
    shown = list(dict.fromkeys(n for column in columns.values() for n in column))
    print(f"\n{options.count} images a set, {options.network}\n")
    print("| metric |", " | ".join(columns), "|\n|---|" + "---:|" * len(columns))
    for name in shown:
        cells = " | ".join(f"{column[name]:.4g}" for column in columns.values())
        print(f"| {label(name, options.network)} | {cells} |")
    print("\n| step | seconds a set | reference | its seconds |\n|---|---:|---|---:|")
    for step, total in seconds.items():
        share = options.count / looked_at if step == "feature network" else 1 / len(columns)
        own = total if step == "real statistics" else total * share
        package, other = beside.get(step, ("", None))
        print(f"| {step} | {own:.3g} | {package} | {'' if other is None else format(other, '.3g')} |")


def fitted(features: NDArray[np.float32]) -> GaussianStatistics:
    """The real set's Gaussian with its factor, as it is stored."""
    statistics = gaussian_statistics(features)
    statistics.factor  # noqa: B018 (made here, once)
    return statistics


# ── reference implementations ──────────────────────────────────────────────────────────────────────────


def clean_fid(real: Seen, fake: Seen) -> Any:
    return importlib.import_module("cleanfid.fid").fid_from_feats(real.features, fake.features)


def torch_fidelity_kid(real: Seen, fake: Seen) -> Any:
    size = min(1000, len(real.features))
    sets = (torch.from_numpy(fake.features), torch.from_numpy(real.features))
    module = importlib.import_module("torch_fidelity.metric_kid")
    return module.kid_features_to_metric(*sets, kid_subsets=100, kid_subset_size=size, verbose=False)


def torch_fidelity_isc(real: Seen, fake: Seen) -> Any:
    assert fake.logits is not None
    module = importlib.import_module("torch_fidelity.metric_isc")
    return module.isc_features_to_metric(torch.from_numpy(fake.logits))


def prdc_package(real: Seen, fake: Seen) -> Any:
    return importlib.import_module("prdc").compute_prdc(real.features, fake.features, 5)


def scikit_learn(real: Seen, fake: Seen) -> Any:
    """Leave one out: the nearest other sample of both sets."""
    both = np.concatenate([real.features, fake.features])
    return importlib.import_module("sklearn.neighbors").NearestNeighbors().fit(both).kneighbors(None, 1)


def plain_numpy(real: Seen, fake: Seen) -> Any:
    return plain_swd(real.images, fake.images, 0)


REFERENCES: dict[str, tuple[str, Callable[[Seen, Seen], Any]]] = {
    "frechet_distance": ("clean-fid", clean_fid),
    "kernel_distance": ("torch-fidelity", torch_fidelity_kid),
    "inception_score": ("torch-fidelity", torch_fidelity_isc),
    "precision": ("prdc", prdc_package),
    "neighbour_accuracy": ("scikit-learn", scikit_learn),
    "swd": ("NumPy and SciPy", plain_numpy),
}


def reference_seconds(name: str, real: Seen, fake: Seen) -> tuple[str, float | None]:
    """The reference of metric `name` and its seconds, imports and first calls apart; none where none is there."""
    package, compute = REFERENCES.get(name, ("", None))
    if compute is None:
        return "", None
    seconds: dict[str, float] = {}
    try:
        compute(*(Seen(*(part if part is None else part[:40] for part in some)) for some in (real, fake)))
        spent(seconds, name, lambda: compute(real, fake))
    except ModuleNotFoundError:
        return "", None
    return package, seconds[name]


# ── what is timed ──────────────────────────────────────────────────────────────────────────────────────


def seen(
    network: FeatureNetwork, images: Images, seconds: dict[str, float], file: Path | None
) -> tuple[Features, int]:
    """What the network sees in `images`, and how many were new: rows that `file` holds are not looked at again."""
    parts = []
    if file is not None and file.exists():
        with np.load(file, allow_pickle=False) as kept:
            parts = [Features(kept["features"], kept.get("logits"))]
    start = len(parts[0].features) if parts else 0
    new = max(len(images) - start, 0)
    if new:
        parts.append(spent(seconds, "feature network", lambda: network.extract(images[start:])))
    features = np.concatenate([part.features for part in parts])
    some = [part.logits for part in parts if part.logits is not None]
    logits = np.concatenate(some) if some else None
    if file is not None and new:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, features=features, **({} if logits is None else {"logits": logits}))
    return Features(features[: len(images)], None if logits is None else logits[: len(images)]), new


def spent(seconds: dict[str, float], step: str, compute: Callable[[], T]) -> T:
    """Call `compute` and add the processor's seconds it took to `step`."""
    started = time.process_time()
    result = compute()
    seconds[step] = seconds.get(step, 0.0) + time.process_time() - started
    return result


if __name__ == "__main__":
    main()
