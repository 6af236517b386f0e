"""Speed of the metrics as ratios: each against its reference or a straightforward version, in one run.

    uv run python benchmarks/metrics.py [--threads 2] [--only frechet swd kid prdc extraction] [--cpu-time]

Prints a Markdown table. References that are not installed (pytorch-fid, torch-fidelity, prdc) are left out.
On a machine that others use too, --cpu-time counts the processor's seconds instead of the wall clock's.
"""

import argparse
import importlib
import importlib.util
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import convolve
from threadpoolctl import threadpool_limits

from gantry.metrics.features.fid_networks import prepare
from gantry.metrics.features.inception import FidInception
from gantry.metrics.features.network import FeatureNetwork
from gantry.metrics.frechet import frechet_distance, gaussian_statistics
from gantry.metrics.inception_score import inception_score
from gantry.metrics.kernel_distance import kernel_distance
from gantry.metrics.prdc import precision_recall_density_coverage
from gantry.metrics.swd import DIRECTIONS, PATCH, PATCHES_PER_IMAGE, sliced_wasserstein

Array = NDArray[Any]
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
clock = CLOCKS["wall"]


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


def timed(compute: Callable[[], Any], repeats: int = 1) -> tuple[float, Any]:
    """Least seconds of `repeats` calls, and the last result."""
    best = float("inf")
    for _ in range(repeats):
        started = clock()
        result = compute()
        best = min(best, clock() - started)
    return best, result


def relative(a: float, b: float) -> str:
    """The relative difference of two numbers."""
    return f"{abs(a - b) / abs(b):.0e}"


def features(count: int, width: int, seed: int, shift: float = 0.0) -> Array:
    """Correlated non-negative float32 features, as a pooled ReLU layer has."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).standard_normal((width, width)).astype(np.float32)
    mixing /= np.float32(np.sqrt(width))
    rows = rng.standard_normal((count, width)).astype(np.float32) @ mixing
    return np.maximum(rows + np.float32(shift), 0)


def installed(*names: str) -> list[Any]:
    """Those of the modules that can be imported."""
    return [importlib.import_module(name) for name in names if importlib.util.find_spec(name.split(".")[0])]


# ── Fréchet distance ───────────────────────────────────────────────────────────────────────────────────


def frechet() -> list[Row]:
    """2048-d arithmetic: clean-fid's and pytorch-fid's square root against eigenvalues of a factored product."""
    real, fake = (gaussian_statistics(features(5000, 2048, seed, 0.1 * seed)) for seed in (1, 2))
    real.factor  # noqa: B018 (stored beside the statistics, as a run finds it)
    stored, value = timed(lambda: frechet_distance(real, fake), 3)
    afresh, _ = timed(lambda: frechet_distance(type(real)(real.mean, real.covariance, real.count), fake), 3)
    rows = []
    for module, name in zip(
        installed("cleanfid.fid", "pytorch_fid.fid_score"),
        ("frechet_distance", "calculate_frechet_distance"),
        strict=False,
    ):
        compute = getattr(module, name)
        seconds, expected = timed(lambda c=compute: c(real.mean, real.covariance, fake.mean, fake.covariance))
        package = module.__name__.split(".")[0]
        rows.append(
            Row("Fréchet, 2048-d, stored factor", package, seconds, stored, relative(value, expected))
        )
        rows.append(Row("Fréchet, 2048-d, from scratch", package, seconds, afresh, relative(value, expected)))
    return rows


# ── SWD ────────────────────────────────────────────────────────────────────────────────────────────────


def plain_swd(real: Array, generated: Array, seed: int) -> float:
    """The metric as one would write it down with NumPy and SciPy, on the same random draws, in float32."""
    blur = (np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1])[None, None] / 256).astype(np.float32)

    def pyramid(images: Array) -> list[Array]:
        levels = [images.transpose(0, 3, 1, 2).astype(np.float32)]
        while levels[-1].shape[-1] > 16:
            small = convolve(levels[-1], blur, mode="mirror")[:, :, ::2, ::2]
            wide = np.zeros_like(levels[-1])
            wide[:, :, ::2, ::2] = small
            levels[-1] = levels[-1] - convolve(wide, 4 * blur, mode="mirror")
            levels.append(small)
        return levels

    distances = []
    for level, pair in enumerate(zip(pyramid(real), pyramid(generated), strict=True)):
        rng = np.random.default_rng([seed, level])
        descriptors = []
        for images in pair:
            shape = (2, len(images), PATCHES_PER_IMAGE)
            rows, columns = rng.integers(0, images.shape[-1] - PATCH + 1, size=shape)[..., None, None, None]
            image = np.arange(len(images))[:, None, None, None, None]
            channel, across = np.arange(3)[:, None, None], np.arange(PATCH)
            patches = images[image, channel, rows + across[:, None], columns + across]
            patches = patches.reshape(-1, 3, PATCH, PATCH)
            patches = patches - patches.mean(axis=(0, 2, 3), keepdims=True)
            patches = patches / patches.std(axis=(0, 2, 3), keepdims=True)
            descriptors.append(patches.reshape(len(patches), -1))
        directions = rng.standard_normal((DIRECTIONS, 3 * PATCH * PATCH))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        lines = directions.T.astype(np.float32)
        a, b = (np.sort(d @ lines, axis=0) for d in descriptors)
        distances.append(1e3 * np.abs(a - b).mean())
    return float(np.mean(distances))


def swd() -> list[Row]:
    """Two sets of 500 images of 64×64."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 200, (2, 500, 8, 8, 3)).repeat(8, axis=2).repeat(8, axis=3)
    real, fake = (coarse + rng.integers(0, 56, coarse.shape)).astype(np.uint8)
    own, value = timed(lambda: sliced_wasserstein(real, fake).mean, 2)
    seconds, expected = timed(lambda: plain_swd(real, fake, 0))
    return [Row("SWD, 500 images of 64×64", "NumPy and SciPy", seconds, own, relative(value, expected))]


# ── KID ────────────────────────────────────────────────────────────────────────────────────────────────


def plain_kid(x: Array, y: Array, subsets: int, size: int) -> float:
    """The estimator as one would write it down, on torch-fidelity's draws."""

    def k(a: Array, b: Array) -> Array:
        return (a @ b.T / a.shape[1] + 1) ** 3

    rng, total = np.random.RandomState(2020), 0.0
    for _ in range(subsets):
        a, b = (rows[rng.choice(len(rows), size, replace=False)] for rows in (x, y))
        within = sum((kernel.sum() - np.trace(kernel)) / (size * (size - 1)) for kernel in (k(a, a), k(b, b)))
        total += within - 2 * k(a, b).mean()
    return float(total / subsets)


def kid() -> list[Row]:
    """5,000 features against 5,000, 2048-d, 100 subsets of 1,000."""
    x, y = features(5000, 2048, 1), features(5000, 2048, 2, 0.1)
    own, value = timed(lambda: kernel_distance(x, y).mean)
    seconds, expected = timed(lambda: plain_kid(x, y, 100, 1000))
    rows = [Row("KID, 5,000 × 2048", "NumPy", seconds, own, relative(value, expected))]
    for module in installed("torch_fidelity.metric_kid"):
        seconds, found = timed(
            lambda m=module: m.kid_features_to_metric(
                torch.from_numpy(x), torch.from_numpy(y), kid_subsets=100, kid_subset_size=1000, verbose=False
            )
        )
        expected = found["kernel_inception_distance_mean"]
        rows.append(Row("KID, 5,000 × 2048", "torch-fidelity", seconds, own, relative(value, expected)))
    return rows


# ── PRDC ───────────────────────────────────────────────────────────────────────────────────────────────


def plain_prdc(real: Array, fake: Array, k: int = 5) -> tuple[float, ...]:
    """The four scores as one would write them down: distances row by row from differences."""

    def apart(a: Array, b: Array) -> Array:
        return np.stack([np.sqrt(((row - b) ** 2).sum(axis=1)) for row in a])

    real_radii, fake_radii = (np.sort(apart(rows, rows), axis=1)[:, k] for rows in (real, fake))
    across = apart(real, fake)
    inside = across < real_radii[:, None]
    recalled = (across < fake_radii).any(axis=1).mean()
    return inside.any(axis=0).mean(), recalled, inside.sum(axis=0).mean() / k, inside.any(axis=1).mean()


def prdc() -> list[Row]:
    """1,000 features against 1,000, 2048-d."""
    x, y = features(1000, 2048, 1), features(1000, 2048, 2, 0.02)
    own, value = timed(lambda: precision_recall_density_coverage(x, y), 3)
    seconds, expected = timed(lambda: plain_prdc(x, y))
    apart = max(abs(a - b) for a, b in zip(value, expected, strict=True))
    rows = [Row("PRDC, 1,000 × 2048", "NumPy", seconds, own, f"{apart:.0e} (absolute)")]
    for module in installed("prdc"):
        seconds, found = timed(lambda m=module: m.compute_prdc(x, y, 5))
        apart = max(abs(getattr(value, name) - number) for name, number in found.items())
        rows.append(Row("PRDC, 1,000 × 2048", "prdc", seconds, own, f"{apart:.0e} (absolute)"))
    return rows


# ── extraction ─────────────────────────────────────────────────────────────────────────────────────────


def extraction() -> list[Row]:
    """The whole Inception (weights do not matter for speed): from uint8 images against the bare network.

    And what a checkpoint's 5,000 images cost beside the network.
    """
    rows = []
    for device in ["cpu"] + ["cuda"] * torch.cuda.is_available():
        body = FidInception(2048).to(memory_format=torch.channels_last)
        head = torch.nn.Linear(2048, 1008, bias=False)
        network = FeatureNetwork("inception", lambda x: prepare(x, "clean"), body, head, device)
        size = network.batch_size
        count = size * (4 if device == "cpu" else 40)
        images = np.random.default_rng(0).integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)
        ready = network.prepare(torch.from_numpy(images[:size]).to(device).permute(0, 3, 1, 2).float())

        def bare(
            network: FeatureNetwork = network, ready: torch.Tensor = ready, loops: int = count // size
        ) -> None:
            with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
                for _ in range(loops):
                    last = network.body(ready)
                last.sum().item()  # waits for the device

        network.extract(images[:size])
        bare_seconds, _ = timed(bare, 3)
        own, found = timed(lambda n=network, i=images: n.extract(i), 3)
        what = f"extraction on {device}, {count} images of 64×64: {count / own:.1f} images/s"
        rows.append(
            Row(what, "bare network", bare_seconds, own, f"{bare_seconds / own:.0%} of its throughput")
        )
        rows.append(share_of_network(network, own / count, found.features.shape[1]))
    return rows


def share_of_network(network: FeatureNetwork, seconds_per_image: float, width: int, count: int = 5000) -> Row:
    """Fréchet distance and class score of one checkpoint's images beside its time in the network."""
    real = gaussian_statistics(features(count, width, 1))
    real.factor  # noqa: B018
    fake = features(count, width, 2)
    logits = features(count, 1008, 3)

    def arithmetic() -> None:
        frechet_distance(real, gaussian_statistics(fake), network.device.type)
        inception_score(logits)

    own, _ = timed(arithmetic)
    looking = seconds_per_image * count
    share = f"network {looking / (looking + own):.1%} of both"
    return Row(
        f"FID and IS of {count:,} images on {network.device.type}", "the network's part", looking, own, share
    )


BENCHMARKS: dict[str, Callable[[], list[Row]]] = {
    "frechet": frechet,
    "swd": swd,
    "kid": kid,
    "prdc": prdc,
    "extraction": extraction,
}


def main() -> None:
    """Run the chosen benchmarks on the chosen number of threads."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="*", choices=list(BENCHMARKS), default=list(BENCHMARKS))
    parser.add_argument("--cpu-time", action="store_true")
    options = parser.parse_args()
    global clock
    clock = CLOCKS["cpu" if options.cpu_time else "wall"]
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    torch.set_num_threads(options.threads)
    kind = "CPU time" if options.cpu_time else "wall time"
    print(f"{options.threads} threads, {kind}, torch {torch.__version__}, NumPy {np.__version__}\n")
    print("| what | against | reference | Gantry | ratio | difference |\n|---|---|---:|---:|---:|---|")
    with threadpool_limits(options.threads):
        for name in options.only:
            for row in BENCHMARKS[name]():
                print(row.line(), flush=True)


if __name__ == "__main__":
    main()
