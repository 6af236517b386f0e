"""Divergences between 2-D samples and a known Gaussian mixture, over the cells of a grid.

The mixture's mass in each cell is exact: a product of differences of the normal distribution function. The
outermost cells reach to infinity, so that both sides sum to 1 and no sample is left out.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, rel_entr

from gantry.metrics.checks import finite_rows
from gantry.metrics.modes import mixture_means

MARGIN = 5.0  # the grid ends this many standard deviations beyond the outermost means


class Divergences(NamedTuple):
    """In nats. KL(density ‖ samples), KL(samples ‖ density), and Jensen–Shannon (0 to ln 2)."""

    density_samples: float
    samples_density: float
    js: float


def mixture_divergences(samples: ArrayLike, means: ArrayLike, variance: float) -> Divergences:
    """Return the divergences of samples (N, 2) from the equally weighted mixture of N(mean, variance·I).

    Cells are about one standard deviation wide. KL(density ‖ samples) would be infinite at the first empty
    cell; there, and only there, the histogram is smoothed by one more sample, spread as the density itself.
    A lost mode of mass m so costs about m·ln(m·N), and the value never exceeds ln(N + 1). The other two are
    unsmoothed. N true samples score about (occupied cells)/2N, not 0; compare with real samples' value.
    """
    points = finite_rows(samples, "samples").astype(np.float64)
    centres = mixture_means(means, variance)
    edges = [cell_edges(axis, np.sqrt(variance)) for axis in centres.T]
    p = cell_masses(edges, centres, variance)
    counts = np.zeros_like(p)
    np.add.at(counts, tuple(np.searchsorted(e, x) for e, x in zip(edges, points.T, strict=True)), 1.0)
    q = counts / len(points)
    smoothed = (counts + p) / (len(points) + 1)
    middle = (p + q) / 2
    return Divergences(
        density_samples=float(rel_entr(p, smoothed).sum()),
        samples_density=float(rel_entr(q, p).sum()),
        js=float((rel_entr(p, middle).sum() + rel_entr(q, middle).sum()) / 2),
    )


def cell_edges(means: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Inner edges of the cells along one axis, about σ apart, from 5σ before the means to 5σ beyond."""
    low, high = means.min() - MARGIN * sigma, means.max() + MARGIN * sigma
    return np.linspace(low, high, int(np.ceil((high - low) / sigma)) + 1)


def cell_masses(
    edges: list[NDArray[np.float64]], means: NDArray[np.float64], variance: float
) -> NDArray[np.float64]:
    """Exact mass (cells along x, cells along y) of the mixture in each cell; sums to 1."""
    along = [
        np.diff(ndtr((inner - centre[:, None]) / np.sqrt(variance)), prepend=0.0, append=1.0)
        for inner, centre in zip(edges, means.T, strict=True)
    ]
    # In the far tails a difference of two distribution functions rounds to 0; no cell is impossible.
    masses = np.einsum("kx,ky->xy", *along) / len(means)
    return np.maximum(masses, np.finfo(np.float64).tiny)
