"""The Fréchet distance of points to the mixture's own mean and covariance, against closed forms."""

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from scipy.linalg import sqrtm

from gantry.data import PreparedSet
from gantry.evaluation.points import PointScorer

MEANS = [[x, y] for x in (-2.0, 0.0, 2.0) for y in (-1.0, 0.0, 4.0)]
VARIANCE = 0.05


@pytest.fixture
def scorer() -> PointScorer:
    manifest = {"means": MEANS, "variance": VARIANCE}
    return PointScorer(cast(PreparedSet, SimpleNamespace(manifest=manifest, samples=np.zeros((7, 2)))))


def test_it_is_the_distance_between_two_gaussians(scorer: PointScorer) -> None:
    points = np.random.default_rng(0).normal(size=(500, 2)) @ np.array([[1.0, 0.4], [0.0, 2.0]]) + [1, -1]
    # The mixture: x and y are independent, three equal places each, and noise.
    mean = np.array([0.0, 1.0])
    covariance = np.diag([(4 + 0 + 4) / 3, (4 + 1 + 9) / 3]) + VARIANCE * np.eye(2)
    own = np.cov(points.T)
    cross = np.real(sqrtm(covariance @ own))
    expected = ((points.mean(0) - mean) ** 2).sum() + np.trace(covariance + own - 2 * cross)
    assert scorer.frechet(points)["frechet_distance_points"] == pytest.approx(expected, rel=1e-9)


def test_points_of_the_mixture_itself_are_near(scorer: PointScorer) -> None:
    rng = np.random.default_rng(1)
    drawn = np.asarray(MEANS)[rng.integers(9, size=20_000)] + rng.normal(0, VARIANCE**0.5, (20_000, 2))
    assert scorer.frechet(drawn)["frechet_distance_points"] < 0.01
    assert scorer.frechet(drawn + np.array([3, 0]))["frechet_distance_points"] == pytest.approx(9, abs=0.3)
