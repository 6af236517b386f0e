"""Saturation, rank correlation, diversity at one condition and colours' gaps, each against another computation."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from gantry.errors import UserError
from gantry.metrics.caption_diversity import caption_diversity
from gantry.metrics.colours import colour_gaps
from gantry.metrics.rank import rank_correlation, statistics_of, strongest
from gantry.metrics.saturation import saturated_share


def test_saturated_are_the_numbers_beyond_0_98() -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    x = images / 127.5 - 1
    assert saturated_share(images) == pytest.approx(((x > 0.98) | (x < -0.98)).mean())
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    assert saturated_share(levels) == 6 / 256, "0, 1, 2 and 253, 254, 255"
    assert saturated_share(np.full((1, 8, 8, 3), 128, np.uint8)) == 0
    with pytest.raises(UserError, match="expected uint8 images"):
        saturated_share(np.zeros((1, 8, 8, 3)))


def test_rank_correlation_is_spearmans() -> None:
    random = np.random.default_rng(1)
    one, other = random.normal(size=50), random.normal(size=50)
    difference = one.argsort().argsort() - other.argsort().argsort()
    assert rank_correlation(one, other) == pytest.approx(1 - 6 * (difference**2).sum() / (50 * (50**2 - 1)))
    assert rank_correlation(one, np.exp(3 * one)) == pytest.approx(1)
    assert rank_correlation(one, -(one**3)) == pytest.approx(-1)
    assert rank_correlation(one, np.ones(50)) == 0
    # Ties by hand: ranks 1.5, 1.5, 3 against 1, 2, 3 are correlated by √3/2.
    assert rank_correlation(np.array([0.0, 0, 1]), np.array([0.0, 1, 2])) == pytest.approx(np.sqrt(3) / 2)


def test_a_statistic_that_a_code_orders_differently_in_each_group_is_found() -> None:
    random = np.random.default_rng(2)
    code, groups = random.uniform(-1, 1, 900), np.arange(900) % 3
    ordered = np.where(groups == 1, -code, code) + 10 * groups
    seen = np.stack([random.normal(size=900), ordered], 1)
    assert strongest(code, seen, groups) == pytest.approx(1)
    assert abs(rank_correlation(code, ordered)) < 0.3, "the control: over all groups at once it is hidden"
    assert strongest(code, seen[:, :1], groups) < 0.15


def test_statistics_of_images_are_their_moments() -> None:
    random = np.random.default_rng(3)
    images = random.integers(0, 256, (3, 9, 7, 3), dtype=np.uint8)
    found = statistics_of(images)
    for image, own in zip(images, found, strict=True):
        grey = image.astype(float).mean(-1)
        points = [(x, y) for y in range(9) for x in range(7)]
        weights = np.array([grey[y, x] for x, y in points])
        covariance = np.cov(np.array(points).T, aweights=weights, ddof=0)
        mean_x, mean_y = np.average(points, axis=0, weights=weights)
        deviations = np.sqrt(np.diag(covariance))
        slant = covariance[0, 1] / deviations.prod()
        assert own == pytest.approx([grey.mean() / 255, mean_x, mean_y, *deviations, slant])
    assert np.isfinite(statistics_of(np.zeros((2, 4, 4, 3), np.uint8))).all()
    points = random.normal(size=(5, 2)).astype(np.float32)
    assert np.array_equal(statistics_of(points), points.astype(float))


def test_diversity_is_the_mean_distance_of_pairs_of_one_condition() -> None:
    features = np.random.default_rng(4).normal(size=(3, 5, 6))
    assert caption_diversity(features) == pytest.approx(np.mean([pdist(own).mean() for own in features]))
    alike = np.repeat(features[:, :1], 5, axis=1)
    assert caption_diversity(alike) == 0, "conditions differ, samples of one do not"
    assert caption_diversity(features[:, np.random.default_rng(0).permutation(5)]) == pytest.approx(
        caption_diversity(features)
    )


def test_gaps_of_colours_are_numpys() -> None:
    random = np.random.default_rng(5)
    coarse, fine = random.uniform(-1, 1, (4, 3, 4, 4)), random.uniform(-1, 1, (4, 3, 8, 8))
    means, covariances = [], []
    for one, other in zip(coarse, fine, strict=True):
        of_one, of_other = (image.reshape(3, -1) for image in (one, other))
        means.append(np.sqrt(((of_one.mean(1) - of_other.mean(1)) ** 2).sum()))
        apart = np.cov(of_one, ddof=0) - np.cov(of_other, ddof=0)
        covariances.append(np.sqrt((apart**2).sum()))
    assert colour_gaps(coarse, fine) == pytest.approx((np.mean(means), np.mean(covariances)))
    enlarged = coarse.repeat(2, 2).repeat(2, 3)
    assert colour_gaps(coarse, enlarged) == pytest.approx((0, 0), abs=1e-12), "repeating pixels changes none"
    shifted = colour_gaps(coarse, enlarged + 0.5)
    assert shifted == pytest.approx((0.5 * np.sqrt(3), 0), abs=1e-12)
