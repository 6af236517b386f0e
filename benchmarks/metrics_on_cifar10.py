"""Every metric on real images: do they order CIFAR-10's test set and damaged versions of its training set rightly?

    uv run python benchmarks/metrics_on_cifar10.py IMAGES --network efficientnet-lite0 --count 2000

IMAGES is a folder with train_images.npy (50000, 32, 32, 3) uint8, train_labels.npy, and the same for test.
Prints a Markdown table, and the seconds that each metric took. The reference set and every other one are
`count` different training images; only "test" comes from the test set.
"""

import argparse
import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from gantry.evaluation.by_hand import COMPUTATIONS
from gantry.metrics import label, metric
from gantry.metrics.features import Features, load_feature_network
from gantry.metrics.frechet import gaussian_statistics

Images = NDArray[np.uint8]
T = TypeVar("T")


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
    train, labels = np.load(folder / "train_images.npy"), np.load(folder / "train_labels.npy")
    order = np.random.default_rng(0).permutation(len(train))
    half, other = np.split(order, 2)
    yield "reference", train[half[:count]]
    yield "test", np.load(folder / "test_images.npy")[:count]
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
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    network = load_feature_network(options.network, options.weights)
    names = [n for n in COMPUTATIONS if metric(n).needs != "logits" or network.has_probabilities]
    seconds: dict[str, float] = {}
    columns: dict[str, dict[str, float]] = {}
    real: tuple[Images, Features] | None = None
    for name, images in versions(options.images, options.count):
        looked = spent(seconds, "feature network", lambda images=images: network.extract(images))
        if real is None:
            real = images, looked
            spent(
                seconds, "real statistics", lambda looked=looked: gaussian_statistics(looked.features).factor
            )
            continue
        column = columns.setdefault(name, {})
        for compute in dict.fromkeys(COMPUTATIONS[n] for n in names):
            first = next(n for n in names if COMPUTATIONS[n] is compute)
            inputs = {
                "images": (real[0], images),
                "features": (real[1].features, looked.features),
                "logits": (real[1].logits, looked.logits),
            }[metric(first).needs]
            chosen = inputs if metric(first).against_real else inputs[1:]
            column |= spent(seconds, first, lambda compute=compute, chosen=chosen: compute(*chosen))
        print(f"{name}: {column}", flush=True)
    shown = list(dict.fromkeys(n for column in columns.values() for n in column))
    print(f"\n{options.count} images a set, {options.network}\n")
    print("| metric |", " | ".join(columns), "|\n|---|" + "---:|" * len(columns))
    for name in shown:
        cells = " | ".join(f"{column[name]:.4g}" for column in columns.values())
        print(f"| {label(name, options.network)} | {cells} |")
    print("\n| step | seconds a set |\n|---|---:|")
    for step, total in seconds.items():
        times = 1 if step == "real statistics" else len(columns) + (step == "feature network")
        print(f"| {step} | {total / times:.3g} |")


def spent(seconds: dict[str, float], step: str, compute: Callable[[], T]) -> T:
    """Call `compute` and add the processor's seconds it took to `step`."""
    started = time.process_time()
    result = compute()
    seconds[step] = seconds.get(step, 0.0) + time.process_time() - started
    return result


if __name__ == "__main__":
    main()
