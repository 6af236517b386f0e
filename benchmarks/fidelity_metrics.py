"""Metrics beside their reference implementations, as figures; see fidelity.py. They are tested in tests/metrics."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tests.fidelity.checks import LONG, Figure, Missing, check

from gantry.evaluation.computations import COMPUTATIONS
from gantry.metrics.features import load_feature_network
from gantry.metrics.frechet import frechet_distance, gaussian_statistics
from references import (
    fidelity_isc,
    fidelity_kid,
    installed,
    nearest_by_scikit_learn,
    plain_inception_score,
    plain_mode_score,
    plain_prdc,
    plain_swd,
)

Array = np.ndarray[Any, Any]


def package(name: str) -> Any:
    """The module; Missing where it is not installed."""
    module = installed(name)
    if module is None:
        raise Missing(f"{name} is not installed (uv sync installs the development group)")
    return module


def features(count: int, width: int, seed: int) -> Array:
    """Correlated non-negative float32 features."""
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).standard_normal((width, width)).astype(np.float32) / np.float32(
        width**0.5
    )
    return np.maximum(
        random.standard_normal((count, width)).astype(np.float32) @ mixing + np.float32(0.1 * seed), 0
    )


def pictures(count: int, side: int, seed: int) -> Array:
    """Smooth uint8 images (count, side, side, 3)."""
    random = np.random.default_rng(seed)
    coarse = torch.from_numpy(random.uniform(0, 255, (count, 3, 8, 8)))
    smooth = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic").clamp(0, 255)
    return smooth.byte().permute(0, 2, 3, 1).contiguous().numpy()


def compared(
    metric: str, real: Any, fake: Array, expected: dict[str, float], limit: float
) -> Iterator[Figure]:
    """The relative difference of each number."""
    found = COMPUTATIONS[metric].compute(real, fake, "cpu")
    for name, value in expected.items():
        yield Figure(f"{name}, relative difference", abs(found[name] - value) / abs(value), limit)


@check("Fréchet distance of 512 features beside pytorch-fid")
def frechet() -> Iterator[Figure]:
    module = package("pytorch_fid.fid_score")
    real, fake = features(3000, 512, 1), features(3000, 512, 2)
    moments = [
        each
        for rows in (real, fake)
        for each in (rows.astype(np.float64).mean(0), np.cov(rows, rowvar=False))
    ]
    expected = module.calculate_frechet_distance(*moments)
    found = frechet_distance(gaussian_statistics(real), gaussian_statistics(fake))
    yield Figure("relative difference", abs(found - expected) / expected, 1e-5)


@check("FID-768 of 1,000 images beside pytorch-fid's formula on the same features", LONG)
def fid_768() -> Iterator[Figure]:
    folder = Path(os.environ.get("GANTRY_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    weights = next((folder / "data/inception_fid768").glob("*.npz"), None)
    if weights is None:
        raise Missing(f"no weights in {folder / 'data/inception_fid768'} (set GANTRY_SHARED)")
    module, network = package("pytorch_fid.fid_score"), load_feature_network("inception-768", weights)
    rows = [network.extract(pictures(1000, 32, seed)).features for seed in (1, 2)]
    ours = frechet_distance(*(gaussian_statistics(each) for each in rows))
    moments = [each for row in rows for each in (row.astype(np.float64).mean(0), np.cov(row, rowvar=False))]
    expected = module.calculate_frechet_distance(*moments)
    yield Figure("relative difference of the distance", abs(ours - expected) / expected, 1e-5)


@check("SWD beside the plain version with the same draws")
def swd() -> Iterator[Figure]:
    real, fake = pictures(300, 64, 1), pictures(300, 64, 2)
    yield from compared("swd", real, fake, plain_swd(real, fake), 1e-4)


@check("KID beside torch-fidelity")
def kid() -> Iterator[Figure]:
    module = package("torch_fidelity.metric_kid")
    real, fake = features(1500, 256, 1), features(1500, 256, 2)
    yield from compared("kernel_distance", real, fake, fidelity_kid(module, real, fake), 1e-5)


@check("Inception Score beside torch-fidelity and the plain formula")
def inception_score() -> Iterator[Figure]:
    logits = 3 * np.random.default_rng(0).standard_normal((2000, 30)).astype(np.float32)
    yield from compared("inception_score", None, logits, plain_inception_score(logits), 1e-5)
    module = package("torch_fidelity.metric_isc")
    yield from compared("inception_score", None, logits, fidelity_isc(module, logits), 1e-5)


@check("mode score beside the plain formula")
def mode_score() -> Iterator[Figure]:
    real, fake = (
        3 * np.random.default_rng(seed).standard_normal((1500, 20)).astype(np.float32) for seed in (0, 1)
    )
    yield from compared("mode_score", real, fake, plain_mode_score(real, fake), 1e-5)


@check("precision, recall, density, coverage beside the plain version")
def prdc() -> Iterator[Figure]:
    real, fake = features(600, 64, 1), features(600, 64, 2)
    yield from compared("precision", real, fake, plain_prdc(real, fake), 1e-9)


@check("1-nearest-neighbour accuracy beside scikit-learn")
def neighbours() -> Iterator[Figure]:
    real, fake = features(600, 64, 1), features(600, 64, 2)
    yield from compared("neighbour_accuracy", real, fake, nearest_by_scikit_learn(real, fake), 1e-9)
