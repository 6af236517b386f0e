"""Metrics of 2-D samples against the density that they should follow."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from gantry.data import PreparedSet
from gantry.evaluation.score import Row, equal_mixture
from gantry.metrics.density import mixture_divergences
from gantry.metrics.energy import energy_distance
from gantry.metrics.frechet import GaussianStatistics, frechet_distance, gaussian_statistics
from gantry.metrics.modes import mode_statistics
from gantry.metrics.names import MIXTURE
from gantry.metrics.wasserstein import wasserstein2

Points = NDArray[np.float32]


class PointScorer:
    """Scores samples (N, 2) of each generator, and of their equal mixture where there are several."""

    stored = None  # points are their own features

    def __init__(self, prepared: PreparedSet) -> None:
        self.means = np.asarray(prepared.manifest["means"], dtype=np.float64)
        self.variance = float(prepared.manifest["variance"])
        self.real = np.asarray(prepared.samples)

    def against(self, part: PreparedSet) -> "PointScorer":
        """Return the scorer of another part of the data."""
        return PointScorer(part)

    def __call__(self, drawn: dict[str, Points], metrics: list[str]) -> Iterator[Row]:
        """Yield (source, metric, value, samples, '') for every source and metric."""
        count = min(len(points) for points in drawn.values())
        sources = dict(drawn)
        if len(drawn) > 1:
            sources[MIXTURE] = equal_mixture(list(drawn.values()), count)
        for source, points in sources.items():
            # Several metrics come out of one computation: each computation runs once.
            for compute in dict.fromkeys(COMPUTATIONS[name] for name in metrics):
                for name, value in compute(self, points).items():
                    yield source, name, value, len(points), ""

    def modes(self, points: Points) -> dict[str, float]:
        """Modes covered, the share of good samples, and the share at each mode."""
        found = mode_statistics(points, self.means, self.variance)
        shares = {f"mode_share_{index}": float(share) for index, share in enumerate(found.histogram)}
        return {
            "modes_covered": float(found.covered),
            "modes_reached": float(found.reached),
            "share_within_3_sigma": found.within,
        } | shares

    def divergences(self, points: Points) -> dict[str, float]:
        """KL in both directions and JS, on a grid."""
        found = mixture_divergences(points, self.means, self.variance)
        return {
            "kl_density_samples": found.density_samples,
            "kl_samples_density": found.samples_density,
            "js": found.js,
        }

    def energy(self, points: Points) -> dict[str, float]:
        """Energy distance to the density itself."""
        return {"energy_distance": energy_distance(points, self.means, self.variance)}

    def frechet(self, points: Points) -> dict[str, float]:
        """What FID is, of the points themselves: to the density's own mean and covariance, which are exact."""
        covariance = np.cov(self.means.T, bias=True) + self.variance * np.eye(self.means.shape[1])
        density = GaussianStatistics(self.means.mean(0), covariance, len(self.real))
        return {"frechet_distance_points": frechet_distance(density, gaussian_statistics(points))}

    def transport(self, points: Points) -> dict[str, float]:
        """W2 to real points."""
        return {"w2": wasserstein2(points, self.real)}


COMPUTATIONS: dict[str, Callable[[PointScorer, Points], dict[str, float]]] = {
    "modes_covered": PointScorer.modes,
    "modes_reached": PointScorer.modes,
    "share_within_3_sigma": PointScorer.modes,
    "kl_density_samples": PointScorer.divergences,
    "kl_samples_density": PointScorer.divergences,
    "js": PointScorer.divergences,
    "energy_distance": PointScorer.energy,
    "frechet_distance_points": PointScorer.frechet,
    "w2": PointScorer.transport,
}
