"""The 2-D metrics: known answers on known densities."""

import numpy as np
import pytest
from scipy.integrate import dblquad
from scipy.optimize import brentq

from gantry.errors import UserError
from gantry.metrics.density import cell_edges, cell_masses, mixture_divergences
from gantry.metrics.energy import energy_distance, energy_distance_between
from gantry.metrics.modes import mode_statistics
from gantry.metrics.wasserstein import wasserstein2

MEANS = np.array([(x, y) for x in (-2.0, 0.0, 2.0) for y in (-2.0, 0.0, 2.0)])
VARIANCE = 0.05


def mixture(count: int, seed: int = 0, means: np.ndarray = MEANS) -> np.ndarray:
    rng = np.random.default_rng(seed)
    chosen = means[rng.integers(len(means), size=count)]
    return (chosen + rng.standard_normal((count, 2)) * np.sqrt(VARIANCE)).astype(np.float32)


def test_modes_of_true_samples() -> None:
    found = mode_statistics(mixture(20_000), MEANS, VARIANCE)
    assert (found.covered, found.reached) == (9, 9)
    assert found.within == pytest.approx(1 - np.exp(-4.5), abs=0.003)
    np.testing.assert_allclose(found.histogram, found.within / 9, atol=0.01)
    assert found.histogram.sum() == pytest.approx(found.within)


def test_modes_by_hand() -> None:
    sigma = np.sqrt(VARIANCE)
    samples = np.array([[0, 0]] * 7 + [[2, 2 + 2.999 * sigma], [2, 2 + 3.001 * sigma], [1, 1]])
    found = mode_statistics(samples, MEANS, VARIANCE)
    assert found.within == pytest.approx(0.8)
    assert found.histogram[4] == pytest.approx(0.7) and found.histogram[8] == pytest.approx(0.1)
    assert (found.covered, found.reached) == (2, 2)


def test_a_stray_sample_reaches_a_mode_but_does_not_cover_it() -> None:
    samples = np.concatenate([mixture(9000, means=np.delete(MEANS, 4, axis=0)), [[0.0, 0.0]]])
    found = mode_statistics(samples, MEANS, VARIANCE)
    assert (found.covered, found.reached) == (8, 9)


def test_cell_masses_are_the_density_s_integrals() -> None:
    edges = [cell_edges(axis, np.sqrt(VARIANCE)) for axis in MEANS.T]
    masses = cell_masses(edges, MEANS, VARIANCE)
    assert masses.sum() == pytest.approx(1, abs=1e-12)

    def density(y: float, x: float) -> float:
        return float(
            np.exp(-((x - MEANS[:, 0]) ** 2 + (y - MEANS[:, 1]) ** 2) / (2 * VARIANCE)).mean()
            / (2 * np.pi * VARIANCE)
        )

    for i, j in ((6, 6), (14, 15), (10, 5)):
        x, y = edges[0], edges[1]
        expected = dblquad(density, x[i - 1], x[i], y[j - 1], y[j])[0]
        assert masses[i, j] == pytest.approx(expected, rel=1e-6)


def test_divergences_order_rightly_and_stay_finite() -> None:
    true = mixture_divergences(mixture(10_000), MEANS, VARIANCE)
    lost = mixture_divergences(mixture(10_000, means=np.delete(MEANS, 4, axis=0)), MEANS, VARIANCE)
    one = mixture_divergences(mixture(10_000, means=MEANS[:1]), MEANS, VARIANCE)
    far = mixture_divergences(np.full((10_000, 2), 50.0), MEANS, VARIANCE)
    for a, b, c, d in zip(true, lost, one, far, strict=True):
        assert 0 <= a < b < c < d < np.inf
    # Losing one of nine modes: KL(samples ‖ density) → ln 9/8, JS → its closed form.
    assert lost.samples_density == pytest.approx(np.log(9 / 8), abs=0.04)
    js = (np.log(2) / 9 + 8 / 9 * np.log(16 / 17) + np.log(18 / 17)) / 2
    assert lost.js == pytest.approx(js, abs=0.015)
    assert far.js == pytest.approx(np.log(2), abs=1e-6)
    assert far.density_samples <= np.log(10_001)


def test_energy_distance_to_the_density_is_that_to_very_many_points() -> None:
    samples = mixture(1500, 1) + np.float32(0.2)
    exact = energy_distance(samples, MEANS, VARIANCE)
    assert exact == pytest.approx(energy_distance_between(samples, mixture(20_000, 2)), abs=2e-3)
    assert abs(energy_distance(mixture(5000, 3), MEANS, VARIANCE)) < 2e-3
    assert exact > 0.01


def test_energy_distance_of_two_points_by_hand() -> None:
    # 2·mean(|a − b|) − |a − a′| − |b − b′|, over pairs of different samples.
    a, b = np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([[0.0, 0.0], [0.0, 2.0]])
    across = (0 + 2 + 5 + np.sqrt(13)) / 4
    assert energy_distance_between(a, b) == pytest.approx(2 * across - 5 - 2)


def test_w2_is_exact_for_a_shift_and_for_disjoint_pairs() -> None:
    points = mixture(300)
    assert wasserstein2(points, points + np.float32(0.01), count=300) == pytest.approx(
        0.01 * np.sqrt(2), rel=0.05
    )
    assert wasserstein2([[0.0, 0.0]], [[3.0, 4.0]]) == pytest.approx(5)


def test_order_does_not_matter() -> None:
    samples = mixture(3000, 4)
    turned = samples[::-1]
    assert energy_distance(samples, MEANS, VARIANCE) == pytest.approx(
        energy_distance(turned, MEANS, VARIANCE)
    )
    assert mixture_divergences(samples, MEANS, VARIANCE) == mixture_divergences(turned, MEANS, VARIANCE)


def test_bad_input_is_one_clear_message() -> None:
    with pytest.raises(UserError, match="NaN"):
        mode_statistics([[np.nan, 0.0]], MEANS, VARIANCE)
    with pytest.raises(UserError, match="variance 0"):
        mode_statistics([[0.0, 0.0]], MEANS, 0.0)
    with pytest.raises(UserError, match="needs at least 2"):
        energy_distance([[0.0, 0.0]], MEANS, VARIANCE)


def test_mode_coverage_threshold_is_a_tenth_of_the_expected_count() -> None:
    # 900 samples: 100 a mode, 98.9 within 3σ, so 10 cover it and 9 do not.
    def covered(count: int) -> int:
        samples = np.concatenate([np.zeros((count, 2)), np.full((900 - count, 2), 2.0)])
        return mode_statistics(samples, MEANS, VARIANCE).covered

    assert covered(9) == 1 and covered(10) == 2
    assert brentq(lambda n: covered(round(n)) - 1.5, 1, 50) == pytest.approx(9.5, abs=0.51)


def test_divergences_by_hand() -> None:
    """One Gaussian and four samples: the histogram is smoothed by one more sample, for KL(density ‖ samples) only."""
    mean, samples = np.zeros((1, 2)), np.array([[0.2, 0.3], [0.2, 0.4], [-0.3, 0.2], [1.2, -0.1]])
    edges = [cell_edges(mean[:, 0], 1.0)] * 2
    p = cell_masses(edges, mean, 1.0)
    counts = np.zeros_like(p)
    for x, y in samples:
        counts[int((edges[0] < x).sum()), int((edges[1] < y).sum())] += 1
    q, smoothed = counts / 4, (counts + p) / 5
    there = q > 0
    found = mixture_divergences(samples, mean, 1.0)
    assert smoothed.sum() == pytest.approx(1)
    assert found.density_samples == pytest.approx((p * np.log(p / smoothed)).sum(), rel=1e-9)
    assert found.samples_density == pytest.approx((q[there] * np.log(q[there] / p[there])).sum(), rel=1e-9)
    middle = (p + q) / 2
    js = ((p * np.log(p / middle)).sum() + (q[there] * np.log(q[there] / middle[there])).sum()) / 2
    assert found.js == pytest.approx(js, rel=1e-9)
