"""Fréchet distance: references, known answers, properties, degenerate input."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gantry.errors import UserError
from gantry.metrics.frechet import GaussianStatistics, frechet_distance, gaussian_statistics


def features(count: int, width: int, seed: int, shift: float = 0.0) -> np.ndarray:
    """ReLU-like correlated features, float32, as a network gives them."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).standard_normal((width, width)) / np.sqrt(width)
    return np.maximum(rng.standard_normal((count, width)) @ mixing + shift, 0).astype(np.float32)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return frechet_distance(gaussian_statistics(a), gaussian_statistics(b))


@pytest.mark.parametrize("width", [64, 200])
def test_equals_clean_fid_and_pytorch_fid(width: int) -> None:
    a, b = features(1000, width, 1), features(900, width, 2, 0.3)
    cleanfid = pytest.importorskip("cleanfid.fid", reason="clean-fid is not installed")
    assert distance(a, b) == pytest.approx(cleanfid.fid_from_feats(a, b), rel=1e-6)
    reference = pytest.importorskip("pytorch_fid.fid_score", reason="pytorch-fid is not installed")
    fitted = [(rows.astype(float).mean(0), np.cov(rows.astype(float), rowvar=False)) for rows in (a, b)]
    assert distance(a, b) == pytest.approx(
        reference.calculate_frechet_distance(*fitted[0], *fitted[1]), rel=1e-6
    )


def test_full_width_has_the_closed_form_of_commuting_covariances() -> None:
    # 2048-d: Σ₁ and Σ₂ share their eigenvectors, so d² = ‖µ₁ − µ₂‖² + Σ (√λ₁ − √λ₂)².
    width, rng = 2048, np.random.default_rng(3)
    first, second = rng.gamma(0.3, size=(2, width))
    mirror = rng.standard_normal(width)
    mirror /= np.linalg.norm(mirror)

    def turned(eigenvalues: np.ndarray) -> np.ndarray:
        rows = np.diag(eigenvalues) - 2 * np.outer(mirror, mirror * eigenvalues)
        return rows - 2 * np.outer(rows @ mirror, mirror)

    a = GaussianStatistics(np.zeros(width), turned(first), 5000)
    b = GaussianStatistics(np.full(width, 0.1), turned(second), 5000)
    expected = 0.01 * width + ((np.sqrt(first) - np.sqrt(second)) ** 2).sum()
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)


def test_known_gaussians() -> None:
    # Diagonal covariances commute: d² = ‖µ₁ − µ₂‖² + Σ (σ₁ − σ₂)².
    a = GaussianStatistics(np.array([0.0, 0.0, 1.0]), np.diag([1.0, 4.0, 9.0]), 100)
    b = GaussianStatistics(np.array([1.0, 0.0, 0.0]), np.diag([4.0, 4.0, 0.0]), 100)
    assert frechet_distance(a, b) == pytest.approx(2 + 1 + 0 + 9, rel=1e-12)


def test_statistics_equal_numpy_and_do_not_hang_on_the_chunk() -> None:
    rows = features(500, 30, 5)
    fitted = gaussian_statistics(rows, chunk=77)
    np.testing.assert_allclose(fitted.mean, rows.mean(0, dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(
        fitted.covariance, np.cov(rows.astype(float), rowvar=False), rtol=1e-10, atol=1e-15
    )
    np.testing.assert_allclose(fitted.factor @ fitted.factor.T, fitted.covariance, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 40), st.integers(2, 40), st.integers(1, 25), st.integers(0, 10**6))
def test_symmetric_positive_and_blind_to_order(n: int, m: int, width: int, seed: int) -> None:
    # Fewer samples than dimensions included: singular covariances are no special case.
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((n, width)), 2 * rng.standard_normal((m, width)) + 1
    there = distance(a, b)
    assert np.isfinite(there) and there >= 0
    assert distance(b, a) == pytest.approx(there, rel=1e-6, abs=1e-6)
    assert distance(a[rng.permutation(n)], b) == pytest.approx(there, rel=1e-6, abs=1e-6)
    assert distance(a, a) <= 1e-6


def test_on_a_device_the_same_number() -> None:
    # "cpu:0" is no GPU, but goes the way of one: torch, in float64.
    a, b = features(80, 30, 10), features(70, 30, 11)
    real, there = gaussian_statistics(a), gaussian_statistics(b, device="cpu:0")
    here = gaussian_statistics(b)
    np.testing.assert_allclose(there.covariance, here.covariance, rtol=1e-12)
    assert frechet_distance(real, there, "cpu:0") == pytest.approx(frechet_distance(real, here), rel=1e-10)


def test_a_collapsed_generator_costs_the_real_variance() -> None:
    real = features(300, 40, 6)
    collapsed = np.repeat(real[:1], 50, axis=0)
    fitted = gaussian_statistics(real)
    expected = ((fitted.mean - real[0]) ** 2).sum() + np.trace(fitted.covariance)
    assert distance(real, collapsed) == pytest.approx(expected, rel=1e-6)
    assert distance(collapsed, real) == pytest.approx(expected, rel=1e-6)


def test_bad_input_is_one_clear_message() -> None:
    good = gaussian_statistics(features(20, 5, 7))
    with pytest.raises(UserError, match="1 of 3 samples hold NaN"):
        gaussian_statistics(np.array([[1.0, 2.0], [np.nan, 1.0], [0.0, 0.0]]))
    with pytest.raises(UserError, match="needs at least 2"):
        gaussian_statistics(np.ones((1, 4)))
    with pytest.raises(UserError, match="width 5 against 6"):
        frechet_distance(good, gaussian_statistics(features(20, 6, 7)))


def test_statistics_survive_the_disk(tmp_path: Path) -> None:
    fitted, other = gaussian_statistics(features(60, 8, 8)), gaussian_statistics(features(60, 8, 9))
    path = tmp_path / "real.npz"
    fitted.save(path)
    again = GaussianStatistics.load(path)
    assert again.count == 60 and "factor" in again.__dict__
    assert frechet_distance(again, other) == frechet_distance(fitted, other)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match=r"real\.npz: not a readable file of statistics"):
        GaussianStatistics.load(path)
