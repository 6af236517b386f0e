"""Speed of the metrics as ratios: each against its reference or a straightforward version, in one run.

    uv run python benchmarks/metrics.py [--threads 2] [--only frechet swd kid prdc extraction] [--cpu-time]
    uv run python benchmarks/metrics.py --device cuda     # what has a GPU's path: Fréchet, FD∞, SWD, extraction

Prints a Markdown table. The rivals of a row take turns and their medians are shown; numbers that differ by more than
rounding end the run with an error. References that are not installed (pytorch-fid, torch-fidelity, prdc) are left out.
On a machine that others use too, --cpu-time counts the processor's seconds instead of the wall clock's.
"""

import argparse
import sys
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from gantry.evaluation.computations import COMPUTATIONS
from gantry.metrics.features.fid_networks import prepare
from gantry.metrics.features.inception import FidInception
from gantry.metrics.features.network import FeatureNetwork
from gantry.metrics.frechet import GaussianStatistics, frechet_distance, gaussian_statistics
from racing import CLOCKS, Lap, race
from references import (
    fidelity_isc,
    fidelity_kid,
    installed,
    line_through,
    nearest_by_scikit_learn,
    plain_inception_score,
    plain_kid,
    plain_mode_score,
    plain_prdc,
    plain_swd,
)

Array = NDArray[Any]
Numbers = dict[str, float]


class Settings(NamedTuple):
    """How to measure: the clock, the turns of each rival, and where Gantry computes."""

    clock: Callable[[], float]
    turns: int
    device: str

    def race(self, rivals: dict[str, Callable[[], Any]]) -> dict[str, Lap]:
        """The rivals' laps; what a GPU does once (its libraries' beginnings) is done before."""
        if self.device != "cpu":
            rivals["Gantry"]()
        return race(rivals, self.clock, self.turns)


class Row(NamedTuple):
    """One comparison: seconds of both, and how far apart their results are."""

    what: str
    reference: str
    reference_seconds: float
    own_seconds: float
    difference: str

    def line(self) -> str:
        """The row as Markdown."""
        ratio = self.reference_seconds / self.own_seconds
        return (
            f"| {self.what} | {self.reference} | {self.reference_seconds:.3g} s | {self.own_seconds:.3g} s "
            f"| {ratio:.1f}× | {self.difference} |"
        )


def rows_of(what: str, laps: dict[str, Lap], allowed: float, own: str = "Gantry") -> list[Row]:
    """A row a rival of `own`; numbers further apart than `allowed`, relative, end the run."""
    rows = []
    for name, lap in laps.items():
        if name.startswith("Gantry"):
            continue
        off = largest_difference(laps[own].value, lap.value)
        if off > allowed:
            sys.exit(f"{what}: {laps[own].value} differs from {name}'s {lap.value} by {off:.0e}")
        rows.append(Row(what, name, lap.seconds, laps[own].seconds, f"{off:.0e}"))
    return rows


def largest_difference(found: Numbers, expected: Numbers) -> float:
    """The largest relative difference among the expected numbers."""
    return max(abs(found[name] - value) / max(abs(value), 1e-300) for name, value in expected.items())


def features(count: int, width: int, seed: int, shift: float = 0.0) -> Array:
    """Correlated non-negative float32 features, as a pooled ReLU layer has."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).standard_normal((width, width)).astype(np.float32)
    mixing /= np.float32(np.sqrt(width))
    rows = rng.standard_normal((count, width)).astype(np.float32) @ mixing
    return np.maximum(rows + np.float32(shift), 0)


def known_factor(some: GaussianStatistics) -> GaussianStatistics:
    """The same with its factor made, as a run finds it stored."""
    some.factor  # noqa: B018
    return some


def own(metric: str, real: Any, fake: Array, device: str = "cpu") -> Callable[[], Numbers]:
    """Gantry's computation of a metric, as runs and scoring by hand take it."""
    return lambda: COMPUTATIONS[metric].compute(real, fake, device)


# ── the comparisons ────────────────────────────────────────────────────────────────────────────────────


def frechet(settings: Settings) -> list[Row]:
    """2048-d arithmetic: clean-fid's and pytorch-fid's square root against eigenvalues of a factored product."""
    real, fake = (gaussian_statistics(features(5000, 2048, seed, 0.1 * seed)) for seed in (1, 2))
    known_factor(real)

    def afresh() -> float:
        return frechet_distance(
            GaussianStatistics(real.mean, real.covariance, real.count), fake, settings.device
        )

    both = real.mean, real.covariance, fake.mean, fake.covariance
    rivals: dict[str, Callable[[], Any]] = {
        "Gantry": lambda: {"distance": frechet_distance(real, fake, settings.device)},
        "Gantry, from scratch": lambda: {"distance": afresh()},
    }
    for name, module, function in (
        ("clean-fid", "cleanfid.fid", "frechet_distance"),
        ("pytorch-fid", "pytorch_fid.fid_score", "calculate_frechet_distance"),
    ):
        if found := installed(module):
            compute = getattr(found, function)
            rivals[name] = lambda f=compute: {"distance": float(f(*both))}
    laps = settings.race(rivals)
    rows = rows_of("Fréchet, 2048-d, stored factor", laps, 1e-6)
    return rows + rows_of("Fréchet, 2048-d, from scratch", laps, 1e-6, "Gantry, from scratch")


def infinity(settings: Settings) -> list[Row]:
    """The line through 15 distances, 768-d, against 15 of clean-fid's."""
    real, fake = features(2000, 768, 1), features(2000, 768, 2, 0.1)
    fitted = known_factor(gaussian_statistics(real))
    distance = installed("cleanfid.fid").frechet_distance
    rivals = {
        "Gantry": own("frechet_distance_infinity", fitted, fake, settings.device),
        "clean-fid, 15 times": lambda: line_through(distance, (fitted.mean, fitted.covariance), fake),
    }
    return rows_of("FD∞ and bias, 2,000 × 768", settings.race(rivals), 1e-6)


def swd(settings: Settings) -> list[Row]:
    """Two sets of 500 images of 64×64."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 200, (2, 500, 8, 8, 3)).repeat(8, axis=2).repeat(8, axis=3)
    real, fake = (coarse + rng.integers(0, 56, coarse.shape)).astype(np.uint8)
    rivals = {
        "Gantry": own("swd", real, fake, settings.device),
        "NumPy and SciPy": lambda: plain_swd(real, fake),
    }
    return rows_of("SWD, 500 images of 64×64", settings.race(rivals), 1e-3)


def kid(settings: Settings) -> list[Row]:
    """5,000 features against 5,000, 2048-d, 100 subsets of 1,000."""
    real, fake = features(5000, 2048, 1), features(5000, 2048, 2, 0.1)
    rivals = {"Gantry": own("kernel_distance", real, fake), "NumPy": lambda: plain_kid(real, fake)}
    if module := installed("torch_fidelity.metric_kid"):
        rivals["torch-fidelity"] = lambda: fidelity_kid(module, real, fake)
    return rows_of("KID, 5,000 × 2048", settings.race(rivals), 1e-5)


def prdc(settings: Settings) -> list[Row]:
    """1,000 features against 1,000, 2048-d."""
    real, fake = features(1000, 2048, 1), features(1000, 2048, 2, 0.02)
    rivals = {"Gantry": own("precision", real, fake), "NumPy, row by row": lambda: plain_prdc(real, fake)}
    if module := installed("prdc"):
        rivals["prdc"] = lambda: module.compute_prdc(real, fake, 5)
    return rows_of("precision to coverage, 1,000 × 2048", settings.race(rivals), 1e-12)


def neighbours(settings: Settings) -> list[Row]:
    """2,000 features against 2,000, 2048-d."""
    real, fake = features(2000, 2048, 1), features(2000, 2048, 2, 0.02)
    rivals = {
        "Gantry": own("neighbour_accuracy", real, fake),
        "scikit-learn": lambda: nearest_by_scikit_learn(real, fake),
    }
    return rows_of("1-NN accuracies, 2,000 × 2048", settings.race(rivals), 1e-12)


def logits(settings: Settings) -> list[Row]:
    """The scores from 5,000 × 1008 class logits, as of the Inception."""
    real, fake = (8 * features(5000, 1008, seed) for seed in (1, 2))
    rivals = {
        "Gantry": own("inception_score", None, fake),
        "NumPy": lambda: plain_inception_score(fake),
    }
    if module := installed("torch_fidelity.metric_isc"):
        rivals["torch-fidelity"] = lambda: fidelity_isc(module, fake)
    rows = rows_of("IS, 5,000 × 1008, 10 splits", settings.race(rivals), 1e-9)
    both = {
        "Gantry": own("mode_score", real, fake),
        "NumPy": lambda: plain_mode_score(real, fake),
    }
    return rows + rows_of("mode score, 5,000 × 1008", settings.race(both), 1e-9)


def extraction(settings: Settings) -> list[Row]:
    """The whole Inception (weights do not matter for speed): from uint8 images against the bare network.

    And what a checkpoint's 5,000 images cost beside the network.
    """
    body = FidInception(2048).to(memory_format=torch.channels_last)
    head = torch.nn.Linear(2048, 1008, bias=False)
    network = FeatureNetwork("inception", lambda x: prepare(x, "clean"), body, head, settings.device)
    size = network.batch_size
    count = size * (4 if settings.device == "cpu" else 20)
    images = np.random.default_rng(0).integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)
    pixels = torch.from_numpy(images[:size]).to(settings.device).permute(0, 3, 1, 2).float()
    ready = network.prepare(pixels)

    def bare() -> None:
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            for _ in range(count // size):
                last = network.body(ready)
            last.sum().item()  # waits for the device

    network.extract(images[:size])
    laps = settings.race({"Gantry": lambda: network.extract(images), "bare network": bare})
    whole, alone = laps["Gantry"].seconds, laps["bare network"].seconds
    what = f"extraction on {settings.device}, {count} images of 64×64: {count / whole:.1f} images/s"
    row = Row(what, "bare network", alone, whole, f"{alone / whole:.0%} of its throughput")
    return [row, share_of_network(settings, whole / count)]


def share_of_network(settings: Settings, seconds_per_image: float, count: int = 5000) -> Row:
    """Fréchet distance and class score of one checkpoint's images beside its time in the network."""
    real = known_factor(gaussian_statistics(features(count, 2048, 1)))
    fake, classes = features(count, 2048, 2), features(count, 1008, 3)
    steps = own("frechet_distance", real, fake, settings.device), own("inception_score", None, classes)
    seconds = settings.race({"Gantry": lambda: [step() for step in steps]})["Gantry"].seconds
    looking = seconds_per_image * count
    what = f"FID and IS of {count:,} images on {settings.device}"
    return Row(
        what, "the network's part", looking, seconds, f"network {looking / (looking + seconds):.1%} of both"
    )


BENCHMARKS: dict[str, Callable[[Settings], list[Row]]] = {
    "frechet": frechet,
    "infinity": infinity,
    "swd": swd,
    "kid": kid,
    "prdc": prdc,
    "neighbours": neighbours,
    "logits": logits,
    "extraction": extraction,
}
ON_GPU = ("frechet", "infinity", "swd", "extraction")


def main() -> None:
    """Run the chosen benchmarks on the chosen number of threads."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="*", choices=list(BENCHMARKS), default=())
    parser.add_argument("--turns", type=int, default=3, help="of each rival; medians are shown")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--cpu-time", action="store_true")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        sys.exit("--device cuda: PyTorch sees no GPU here")
    kind = "cpu" if options.cpu_time else "wall"
    settings = Settings(CLOCKS[kind], options.turns, options.device)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    torch.set_num_threads(options.threads)
    where = torch.cuda.get_device_name() if options.device == "cuda" else f"{options.threads} threads"
    versions = f"torch {torch.__version__}, NumPy {np.__version__}"
    print(f"{where}, {kind} time, medians of {options.turns}, {versions}\n")
    print("| what | against | reference | Gantry | ratio | difference |\n|---|---|---:|---:|---:|---|")
    with threadpool_limits(options.threads):
        for name in options.only or (ON_GPU if options.device == "cuda" else BENCHMARKS):
            for row in BENCHMARKS[name](settings):
                print(row.line(), flush=True)


if __name__ == "__main__":
    main()
