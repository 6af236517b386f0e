"""What the metrics are held against: packages where they are installed, and the formulas written down plainly.

Each gives numbers by metric, on the same random draws as Gantry's own. A plain version is what one would write with
NumPy, SciPy and scikit-learn on a good day: whole matrices, no loop over single numbers, float32 where it does.
"""

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import convolve

from gantry.metrics.swd import DIRECTIONS, PATCH, PATCHES_PER_IMAGE

Array = NDArray[Any]
Numbers = dict[str, float]


def installed(name: str) -> Any | None:
    """The module if it can be imported."""
    return importlib.import_module(name) if importlib.util.find_spec(name.split(".")[0]) else None


# ── Fréchet distance ───────────────────────────────────────────────────────────────────────────────────


def line_through(
    distance: Callable[..., float], real: tuple[Array, Array], fake: Array, points: int = 15
) -> Numbers:
    """FD∞ and its bias from a package's distance of (mean, covariance) twice, at 15 sample sizes."""
    rng = np.random.default_rng(0)
    counts = np.unique(np.linspace(max(len(fake) // 10, 2), len(fake), points).astype(int))
    distances = []
    for count in counts:
        rows = fake[rng.permutation(len(fake))[:count]].astype(np.float64)
        distances.append(distance(*real, rows.mean(axis=0), np.cov(rows, rowvar=False)))
    slope, value = np.polyfit(1 / counts, distances, 1)
    return {
        "frechet_distance_infinity": float(value),
        "frechet_distance_bias": float(slope / 5_000 - slope / 50_000),
    }


# ── SWD ────────────────────────────────────────────────────────────────────────────────────────────────


def plain_swd(real: Array, generated: Array, seed: int = 0) -> Numbers:
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
    return {"swd": float(np.mean(distances))}


# ── KID ────────────────────────────────────────────────────────────────────────────────────────────────


def plain_kid(real: Array, fake: Array, subsets: int = 100, size: int = 1000) -> Numbers:
    """The estimator as one would write it down, on torch-fidelity's draws."""

    def k(a: Array, b: Array) -> Array:
        return (a @ b.T / a.shape[1] + 1) ** 3

    rng, total = np.random.RandomState(2020), 0.0
    size = min(size, len(real), len(fake))
    for _ in range(subsets):
        a, b = (rows[rng.choice(len(rows), size, replace=False)] for rows in (fake, real))
        within = sum((kernel.sum() - np.trace(kernel)) / (size * (size - 1)) for kernel in (k(a, a), k(b, b)))
        total += within - 2 * k(a, b).mean()
    return {"kernel_distance": float(total / subsets)}


def fidelity_kid(module: Any, real: Array, fake: Array, subsets: int = 100, size: int = 1000) -> Numbers:
    """torch-fidelity's."""
    found = module.kid_features_to_metric(
        torch.from_numpy(fake),
        torch.from_numpy(real),
        kid_subsets=subsets,
        kid_subset_size=min(size, len(real), len(fake)),
        verbose=False,
    )
    return {"kernel_distance": found["kernel_inception_distance_mean"]}


# ── precision to coverage, 1-NN ────────────────────────────────────────────────────────────────────────


def plain_prdc(real: Array, fake: Array, k: int = 5) -> Numbers:
    """The four scores as one would write them down: distances row by row from differences."""

    def apart(a: Array, b: Array) -> Array:
        return np.stack([np.sqrt(((row - b) ** 2).sum(axis=1)) for row in a])

    real_radii, fake_radii = (np.sort(apart(rows, rows), axis=1)[:, k] for rows in (real, fake))
    across = apart(real, fake)
    inside = across < real_radii[:, None]
    return {
        "precision": float(inside.any(axis=0).mean()),
        "recall": float((across < fake_radii).any(axis=1).mean()),
        "density": float(inside.sum(axis=0).mean() / k),
        "coverage": float(inside.any(axis=1).mean()),
    }


def nearest_by_scikit_learn(real: Array, fake: Array) -> Numbers:
    """Leave one out: whose is the nearest other sample of both sets?"""
    both = np.concatenate([real, fake])
    module = importlib.import_module("sklearn.neighbors")
    nearest = module.NearestNeighbors(algorithm="brute").fit(both).kneighbors(None, 1)[1][:, 0]
    right = (nearest < len(real)) == (np.arange(len(both)) < len(real))
    return {
        "neighbour_accuracy": float(right.mean()),
        "neighbour_accuracy_real": float(right[: len(real)].mean()),
        "neighbour_accuracy_generated": float(right[len(real) :].mean()),
    }


# ── scores from class logits ───────────────────────────────────────────────────────────────────────────


def softmax(logits: Array) -> Array:
    """p(y|x) in float64."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def inception(p: Array) -> float:
    """exp of the mean KL( p(y|x) ‖ p(y) ). Salimans et al. 2016, eq. in section 4."""
    return float(np.exp((p * (np.log(p) - np.log(p.mean(axis=0)))).sum(axis=1).mean()))


def plain_inception_score(fake: Array, splits: int = 10) -> Numbers:
    """Over splits, after torch-fidelity's shuffle."""
    p = softmax(fake[np.random.RandomState(2020).permutation(len(fake))])
    edges = [part * len(p) // splits for part in range(splits + 1)]
    scores = [inception(p[edges[part] : edges[part + 1]]) for part in range(splits)]
    return {
        "inception_score": float(np.mean(scores)),
        "inception_score_deviation": float(np.std(scores)),
    }


def fidelity_isc(module: Any, fake: Array, splits: int = 10) -> Numbers:
    """torch-fidelity's."""
    found = module.isc_features_to_metric(torch.from_numpy(fake), splits=splits)
    return {
        "inception_score": found["inception_score_mean"],
        "inception_score_deviation": found["inception_score_std"],
    }


def plain_mode_score(real: Array, fake: Array) -> Numbers:
    """exp( E KL( p(y|x) ‖ p(y) ) − KL( p(y) ‖ p*(y) ) ). Xu et al. 2018, section 2."""
    p, true = softmax(fake), softmax(real).mean(axis=0)
    shares = p.mean(axis=0)
    off = (shares * np.log(shares / true)).sum()
    return {"mode_score": float(inception(p) * np.exp(-off))}
