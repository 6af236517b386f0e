"""Which modes of a known Gaussian mixture a set of 2-D samples reaches.

A sample is of high quality if it lies within 3σ of its nearest mode's centre (Srivastava et al. 2017,
VEEGAN, section 4.1). VEEGAN and PacGAN (Lin et al. 2018, section 4.1) count a mode as captured from one
such sample on; that count grows with the number of samples and is passed by a single stray point on its
way between two modes. It is reported here as `reached`; a mode is called `covered` when it holds at least a
tenth of the high-quality samples that the true density would put there, whatever the number of samples.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gantry.errors import UserError
from gantry.metrics.checks import finite_rows

RADIUS = 3.0  # in standard deviations
LEAST_SHARE = 0.1  # of a mode's expected samples, to count as covered


@dataclass(frozen=True)
class ModeStatistics:
    """Counts over the K modes of a mixture.

    covered, reached: number of modes, 0 to K, by the two definitions above.
    within: share of the samples within 3σ of a mode, 0 to 1; the density itself has 1 − exp(−9/2) = 0.989.
    histogram: (K,) share of all the samples within 3σ of each mode; sums to `within`.
    """

    covered: int
    reached: int
    within: float
    histogram: NDArray[np.float64]


def mode_statistics(samples: ArrayLike, means: ArrayLike, variance: float) -> ModeStatistics:
    """Return the statistics of samples (N, 2) under equally weighted N(mean, variance·I), means (K, 2)."""
    points = finite_rows(samples, "samples")
    centres = mixture_means(means, variance)
    squared = ((points[:, None, :].astype(np.float64) - centres) ** 2).sum(axis=2)
    nearest = squared.argmin(axis=1)
    inside = squared[np.arange(len(points)), nearest] <= RADIUS**2 * variance
    counts = np.bincount(nearest[inside], minlength=len(centres))
    expected = len(points) / len(centres) * (1 - np.exp(-(RADIUS**2) / 2))
    return ModeStatistics(
        covered=int((counts >= np.maximum(LEAST_SHARE * expected, 1)).sum()),
        reached=int((counts > 0).sum()),
        within=float(inside.mean()),
        histogram=counts / len(points),
    )


def mixture_means(means: ArrayLike, variance: float) -> NDArray[np.float64]:
    """Return the centres (K, 2) of an equally weighted isotropic mixture, or raise UserError."""
    centres = finite_rows(means, "means of the mixture")
    if centres.shape[1] != 2 or not variance > 0:
        raise UserError(
            f"mixture: means of shape {centres.shape}, variance {variance}; expected (K, 2) and above 0"
        )
    return centres.astype(np.float64)
