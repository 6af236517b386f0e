"""Fréchet distance extrapolated to infinitely many generated samples.

The distance is biased, and the bias falls as 1/N with a slope that depends on the generator; so numbers at
5,000 and at 50,000 samples cannot be compared. A line through the distance at several N, against 1/N, cuts
the axis at FD∞.        (Chong & Forsyth 2020, section 4; their code: 15 sample sizes from 5,000 to 50,000)
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gantry.errors import UserError
from gantry.metrics.checks import finite_rows
from gantry.metrics.frechet import GaussianStatistics, frechet_distance, gaussian_statistics


@dataclass(frozen=True)
class Extrapolation:
    """value: the line's intercept, FD∞; slope: its rise with 1/N; counts, distances: its data."""

    value: float
    slope: float
    counts: NDArray[np.int64]
    distances: NDArray[np.float64]

    def at(self, count: int) -> float:
        """The distance that the line expects of `count` samples: `at(5_000) − at(50_000)` is their bias."""
        return self.value + self.slope / count


def frechet_distance_infinity(
    real: GaussianStatistics,
    generated: ArrayLike,
    points: int = 15,
    least: int | None = None,
    seed: int = 0,
    device: str = "cpu",
) -> Extrapolation:
    """Fit the line for generated features (N, D) at `points` sample sizes from `least` to N.

    `least` is N/10 unless given, as 5,000 of 50,000 in the paper. Each size takes a random choice of its own.
    """
    rows = finite_rows(generated, "generated features", least=4)
    first = max(len(rows) // 10, 2) if least is None else least
    if points < 2 or not 2 <= first < len(rows):
        raise UserError(
            f"FD∞: {points} sample sizes from {first} to {len(rows)}; needed are at least 2 that differ"
        )
    rng = np.random.default_rng(seed)
    counts = np.unique(np.linspace(first, len(rows), points).astype(np.int64))
    distances = np.array(
        [
            frechet_distance(real, gaussian_statistics(some, device=device), device)
            for some in (rows[rng.permutation(len(rows))[:count]] for count in counts)
        ]
    )
    slope, value = np.polyfit(1.0 / counts, distances, 1)
    return Extrapolation(float(value), float(slope), counts, distances)
