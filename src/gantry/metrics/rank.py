"""How far one number orders another: of a continuous code, what reads it back and what can be seen of it."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

Numbers = NDArray[np.floating]


def rank_correlation(one: Numbers, other: Numbers) -> float:
    """Return Spearman's ρ of (N,) and (N,), in [−1, 1]; ties share their rank, and a constant orders nothing: 0."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(spearmanr(one, other).statistic)


def strongest(code: Numbers, seen: NDArray[np.floating], groups: NDArray[np.integer]) -> float:
    """Return the largest of what statistics (N, S) have of |ρ| with a code (N,), each a mean over groups, in [0, 1].

    In a group all samples have one value of what may change a statistic beside the code (N,). Of n samples a group it
    is about √(2 / πn) where there is no relation at all, and above it, as the largest of several.
    """
    rows = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    of_each = [
        np.mean([abs(rank_correlation(code[part], statistic[part])) for part in rows]) for statistic in seen.T
    ]
    return float(max(of_each))


def statistics_of(samples: NDArray) -> NDArray[np.float64]:
    """Return what can be seen of samples without a network, (N, S): x and y of points (N, 2), six of images.

    Of images (N, H, W, 3): the mean level, the centre of brightness (x, y), its deviations (x, y), and its slant, the
    correlation of x and y, by brightness.
    """
    if samples.ndim == 2:
        return samples.astype(np.float64)
    grey = samples.astype(np.float64).mean(-1) / 255
    weight = grey / np.maximum(grey.sum((1, 2), keepdims=True), 1e-12)
    y, x = np.mgrid[: grey.shape[1], : grey.shape[2]].astype(np.float64)
    mean_x, mean_y = (weight * x).sum((1, 2)), (weight * y).sum((1, 2))
    x, y = x - mean_x[:, None, None], y - mean_y[:, None, None]
    deviation_x, deviation_y = (np.sqrt((weight * z**2).sum((1, 2))) for z in (x, y))
    slant = (weight * x * y).sum((1, 2)) / np.maximum(deviation_x * deviation_y, 1e-12)
    return np.stack([grey.mean((1, 2)), mean_x, mean_y, deviation_x, deviation_y, slant], 1)
