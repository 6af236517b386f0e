"""Energy distance between 2-D samples and a known Gaussian mixture, or real points.

E² = 2 E‖X − Y‖ − E‖X − X′‖ − E‖Y − Y′‖        (Székely & Rizzo 2013, eq. 1; 0 only for equal distributions)
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist, pdist
from scipy.special import ive

from gantry.metrics.checks import finite_rows, same_width
from gantry.metrics.modes import mixture_means

CHUNK = 2048


def energy_distance(samples: ArrayLike, means: ArrayLike, variance: float) -> float:
    """Return E² between samples (N, 2), N ≥ 2, and the equally weighted mixture of N(mean, variance·I).

    The mixture's two expectations are exact; the samples' own is the mean over all pairs of different
    samples, so the estimate is unbiased and may fall slightly below 0 for perfect samples.
    """
    points = finite_rows(samples, "samples", least=2).astype(np.float64)
    centres = mixture_means(means, variance)
    to_density = np.mean([_mean_length(points - centre, variance).mean() for centre in centres])
    steps = centres[:, None] - centres
    within_density = _mean_length(steps.reshape(-1, 2), 2 * variance).mean()
    return float(2 * to_density - _mean_within(points) - within_density)


def energy_distance_between(samples: ArrayLike, real: ArrayLike) -> float:
    """Return the unbiased E² between two sets of points (N, D) and (M, D), N, M ≥ 2, over all pairs."""
    a = finite_rows(samples, "samples", least=2).astype(np.float64)
    b = finite_rows(real, "real points", least=2).astype(np.float64)
    same_width(a, b, "energy_distance")
    across = sum(cdist(a[i : i + CHUNK], b).sum() for i in range(0, len(a), CHUNK)) / (len(a) * len(b))
    return float(2 * across - _mean_within(a) - _mean_within(b))


def _mean_within(points: NDArray[np.float64]) -> float:
    """Mean distance over all pairs of different points, in blocks that bound the memory."""
    total = 0.0
    for start in range(0, len(points), CHUNK):
        block = points[start : start + CHUNK]
        total += pdist(block).sum()
        if start + CHUNK < len(points):
            total += cdist(block, points[start + CHUNK :]).sum()
    return float(total / (len(points) * (len(points) - 1) / 2))


def _mean_length(offsets: NDArray[np.float64], variance: float) -> NDArray[np.float64]:
    """E‖v + e‖ for e ~ N(0, variance·I) in the plane and each v of (M, 2): the mean of Rice's distribution.

    σ √(π/2) L_½(−t) at t = ‖v‖²/2σ², with L_½(−t) = e^(−t/2) [(1 + t) I₀(t/2) + t I₁(t/2)].
    """
    t = (offsets**2).sum(axis=1) / (2 * variance)
    return np.sqrt(variance * np.pi / 2) * ((1 + t) * ive(0, t / 2) + t * ive(1, t / 2))
