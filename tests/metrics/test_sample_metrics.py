"""KID, FD∞, Mode Score, PRDC, 1-NN, intervals: references, known answers, properties, degenerate input."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from gantry.errors import UserError
from gantry.metrics import distances
from gantry.metrics import kernel_distance as kernel_module
from gantry.metrics.bootstrap import bootstrap_intervals
from gantry.metrics.fid_infinity import frechet_distance_infinity
from gantry.metrics.frechet import frechet_distance, gaussian_statistics
from gantry.metrics.inception_score import inception_score
from gantry.metrics.kernel_distance import kernel_distance
from gantry.metrics.mode_score import class_shares, mode_score
from gantry.metrics.neighbours import neighbour_accuracy
from gantry.metrics.prdc import precision_recall_density_coverage


def normal(count: int, width: int = 16, seed: int = 0, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, width)) + shift


# ── KID ────────────────────────────────────────────────────────────────────────────────────────────────


def torch_fidelity_kid(x: np.ndarray, y: np.ndarray, subsets: int, size: int) -> tuple[float, float]:
    reference = pytest.importorskip("torch_fidelity.metric_kid", reason="torch-fidelity is not installed")
    found = reference.kid_features_to_metric(
        torch.from_numpy(x), torch.from_numpy(y), kid_subsets=subsets, kid_subset_size=size, verbose=False
    )
    return found["kernel_inception_distance_mean"], found["kernel_inception_distance_std"]


@pytest.mark.parametrize(
    ("subsets", "size", "block"),
    [(20, 100, 1024), (20, 100, 37), (2, 20, 1024)],
    ids=["whole", "blocks", "few"],
)
def test_kid_equals_torch_fidelity(
    monkeypatch: pytest.MonkeyPatch, subsets: int, size: int, block: int
) -> None:
    monkeypatch.setattr(kernel_module, "BLOCK", block)
    x, y = normal(150, seed=1), normal(130, seed=2, shift=0.2)
    assert kernel_distance(x, y, subsets, size) == pytest.approx(
        torch_fidelity_kid(x, y, subsets, size), rel=1e-9
    )
    single = kernel_distance(x.astype(np.float32), y.astype(np.float32), subsets, size)
    assert single.mean == pytest.approx(kernel_distance(x, y, subsets, size).mean, rel=1e-4)


def test_kid_of_all_samples_at_once_is_the_unbiased_estimator() -> None:
    x, y = normal(40, 3, 3), normal(40, 3, 4, 1.0)

    def k(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a @ b.T / 3 + 1) ** 3

    expected = sum((k(a, a).sum() - np.trace(k(a, a))) / (40 * 39) for a in (x, y)) - 2 * k(x, y).mean()
    assert kernel_distance(x, y, subsets=1).mean == pytest.approx(expected)
    assert kernel_distance(x, y, subsets=1).mean == pytest.approx(kernel_distance(y, x, subsets=1).mean)


def test_kid_of_one_array_against_itself_is_that_of_its_copy() -> None:
    x = normal(150)
    assert kernel_distance(x, x, 10, 50) == pytest.approx(kernel_distance(x, x.copy(), 10, 50), rel=1e-12)


def test_kid_is_near_zero_for_equal_distributions() -> None:
    near = kernel_distance(normal(2000, seed=5), normal(2000, seed=6))
    far = kernel_distance(normal(2000, seed=5), normal(2000, seed=6, shift=0.5))
    assert abs(near.mean) < 0.02 < far.mean


def test_kid_in_float32_keeps_its_digits_near_zero() -> None:
    # Every kernel value is near 1.56 and the distance a millionth of it: whole sums would be off by 5e-9.
    x, y = ((0.4 + 0.02 * normal(600, 64, seed)).astype(np.float32) for seed in (7, 8))
    exact = kernel_distance(x.astype(np.float64), y.astype(np.float64), 20, 500).mean
    assert abs(kernel_distance(x, y, 20, 500).mean - exact) < 1e-10 and abs(exact) < 2e-6


# ── FD∞ ────────────────────────────────────────────────────────────────────────────────────────────────


def test_infinity_takes_the_bias_out() -> None:
    # Equal distributions: the true distance is 0, the distance of 2,000 samples in 64-d is not.
    real = gaussian_statistics(normal(60_000, 64, 7))
    generated = normal(2000, 64, 8)
    plain = frechet_distance(real, gaussian_statistics(generated))
    found = frechet_distance_infinity(real, generated, least=1000)
    assert abs(found.value) < 0.25 * plain
    assert found.at(2000) == pytest.approx(plain, rel=0.1)
    assert found.at(1000) - found.at(2000) == pytest.approx(found.slope / 2000)
    assert (np.diff(found.counts) > 0).all() and found.counts[-1] == 2000


def test_the_bias_between_the_two_papers_counts_is_foretold() -> None:
    """The line through 5,000 samples, against the distance of 5,000 and of 50,000 others, eight times each."""
    width = 32
    real = gaussian_statistics(normal(50_000, width, 20))
    foretold, found = [], []
    for seed in range(8):
        many = normal(50_000, width, 30 + seed)
        line = frechet_distance_infinity(real, many[:5000])
        foretold.append(line.at(5_000) - line.at(50_000))
        found.append(
            frechet_distance(real, gaussian_statistics(many[:5000]))
            - frechet_distance(real, gaussian_statistics(many))
        )
    assert np.mean(foretold) == pytest.approx(np.mean(found), rel=0.15)


def test_infinity_refuses_too_few_samples() -> None:
    real = gaussian_statistics(normal(50, 4))
    with pytest.raises(UserError, match="needs at least 4"):
        frechet_distance_infinity(real, normal(3, 4))
    with pytest.raises(UserError, match="15 sample sizes from 50 to 50"):
        frechet_distance_infinity(real, normal(50, 4), least=50)


# ── Mode Score ─────────────────────────────────────────────────────────────────────────────────────────


def test_mode_score_falls_when_classes_are_off() -> None:
    real = np.eye(10).repeat(20, axis=0) * 100
    shares = class_shares(real)
    assert shares == pytest.approx(np.full(10, 0.1))
    assert mode_score(real, shares) == pytest.approx(10)
    half = real[:100]  # five of ten classes: IS 5, KL to the real shares ln 2
    assert mode_score(half, shares) == pytest.approx(5 / 2)
    assert mode_score(half, shares) < inception_score(half, splits=1).mean
    assert mode_score(real, class_shares(half)) == pytest.approx(0, abs=1e-9)
    with pytest.raises(UserError, match=r"10 classes against real shares of shape \(9,\)"):
        mode_score(real, shares[:9])


def test_class_shares_do_not_hang_on_their_blocks() -> None:
    logits = normal(20_000, 4)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(class_shares(logits), p.mean(axis=0), rtol=1e-12)


# ── distances, PRDC, 1-NN ──────────────────────────────────────────────────────────────────────────────


def test_blocks_make_the_whole_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "BLOCK", 7)
    a, b = normal(20), normal(31, seed=1)
    whole = np.concatenate([block for _, block in distances.squared_blocks(a, b)])
    np.testing.assert_allclose(whole, cdist(a, b, "sqeuclidean"), atol=1e-10)
    np.testing.assert_allclose(distances.squared_radii(a, 3), np.sort(cdist(a, a, "sqeuclidean"))[:, 3])


@pytest.mark.parametrize(("n", "m", "k", "shift"), [(300, 200, 5, 0.3), (120, 150, 3, 1.5), (60, 50, 1, 0.0)])
def test_prdc_equals_the_package(n: int, m: int, k: int, shift: float) -> None:
    package = pytest.importorskip("prdc", reason="prdc is not installed")
    real, generated = normal(n, 8, 1), normal(m, 8, 2, shift)
    expected = package.compute_prdc(real, generated, k)
    found = precision_recall_density_coverage(real, generated, k)
    for name, value in found._asdict().items():
        assert value == pytest.approx(expected[name], rel=1e-12), name


def test_prdc_precision_and_recall_equal_torch_fidelity() -> None:
    reference = pytest.importorskip("torch_fidelity.metric_prc", reason="torch-fidelity is not installed")
    real, generated = normal(200, 8, 1), normal(150, 8, 2, 0.5)
    precision, recall = reference.calculate_precision_recall_full(
        torch.from_numpy(generated), torch.from_numpy(real), neighborhood=3
    )
    found = precision_recall_density_coverage(real, generated, k=3)
    assert found[:2] == pytest.approx((precision, recall), rel=1e-6)


def test_prdc_known_answers() -> None:
    real = normal(500, 4, 1)
    same = precision_recall_density_coverage(real, normal(500, 4, 2))
    assert same.precision > 0.85 and same.recall > 0.85 and same.coverage > 0.85
    assert same.density == pytest.approx(1, abs=0.15)
    assert precision_recall_density_coverage(real, normal(500, 4, 2, 50.0)) == (0, 0, 0, 0)
    collapsed = np.repeat(real[:1], 100, axis=0)
    found = precision_recall_density_coverage(real, collapsed)
    assert found.precision == 1 and found.recall == 0 and found.coverage < 0.1


def test_neighbour_accuracy_known_answers() -> None:
    real = normal(400, 4, 1)
    assert neighbour_accuracy(real, normal(400, 4, 2)).overall == pytest.approx(0.5, abs=0.06)
    assert neighbour_accuracy(real, normal(400, 4, 2, 50.0)) == (1, 1, 1)
    assert neighbour_accuracy(real, real) == (0, 0, 0)  # memorised
    collapsed = neighbour_accuracy(real, np.repeat(real.mean(axis=0)[None], 400, axis=0))
    assert collapsed.generated == 1
    assert neighbour_accuracy(np.ones((5, 2)), np.ones((5, 2))) == (0.5, 0.5, 0.5)  # nothing to tell


def test_neighbour_accuracy_equals_brute_force() -> None:
    real, generated = normal(50, 3, 1), normal(50, 3, 2, 0.7)
    pooled = np.concatenate([real, generated])
    apart = cdist(pooled, pooled)
    np.fill_diagonal(apart, np.inf)
    right = (apart.argmin(axis=1) < 50) == (np.arange(100) < 50)
    expected = right.mean(), right[:50].mean(), right[50:].mean()
    assert neighbour_accuracy(real, generated) == pytest.approx(expected)


def test_unequal_sets_are_cut_to_the_smaller() -> None:
    # Uncut, 4,000 against 100 samples of one distribution score 0.95 by chance.
    assert neighbour_accuracy(normal(4000, 4, 1), normal(100, 4, 2)).overall == pytest.approx(0.5, abs=0.12)


@settings(max_examples=15, deadline=None)
@given(st.integers(7, 40), st.integers(7, 40), st.integers(0, 10**6))
def test_order_does_not_matter(n: int, m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n, 5)), rng.standard_normal((m, 5))
    turned = x[rng.permutation(n)], y[rng.permutation(m)]
    assert precision_recall_density_coverage(*turned) == pytest.approx(
        precision_recall_density_coverage(x, y)
    )
    assert kernel_distance(*turned, subsets=1, subset_size=max(n, m)).deviation == 0
    if n == m:
        assert neighbour_accuracy(*turned) == neighbour_accuracy(x, y)
        assert kernel_distance(*turned, subsets=1).mean == pytest.approx(
            kernel_distance(x, y, subsets=1).mean
        )


def test_bad_input_is_one_clear_message() -> None:
    good = normal(20, 4)
    bad = good.copy()
    bad[3, 1] = np.inf
    for compute in (precision_recall_density_coverage, neighbour_accuracy, kernel_distance):
        with pytest.raises(UserError, match="1 of 20 samples hold NaN or infinity"):
            compute(bad, good)
        with pytest.raises(UserError, match=r"4 columns against 5|5 columns against 4"):
            compute(good, normal(20, 5))
    with pytest.raises(UserError, match="5 nearest neighbours among 5 samples"):
        precision_recall_density_coverage(good[:5], good)


# ── intervals ──────────────────────────────────────────────────────────────────────────────────────────


def test_interval_of_a_mean_has_the_textbook_width() -> None:
    rows = normal(400, 1, 3)
    value = float(rows.mean())
    found = bootstrap_intervals(lambda x: {"mean": float(x.mean())}, [rows], {"mean": value}, resamples=2000)
    assert found["mean"].low < value < found["mean"].high
    assert found["mean"].high - found["mean"].low == pytest.approx(2 * 1.96 * rows.std() / 20, rel=0.1)


def test_interval_of_a_biased_score_is_not_moved_by_the_bias() -> None:
    real, rows = gaussian_statistics(normal(5000, 32, 4)), normal(300, 32, 5)

    def compute(x: np.ndarray) -> dict[str, float]:
        return {"fd": frechet_distance(real, gaussian_statistics(x))}

    value = compute(rows)["fd"]
    found = bootstrap_intervals(compute, [rows], {"fd": value}, resamples=60)
    low, high = found["fd"]
    assert low < value < high and high - low < 0.5 * value
    assert found == bootstrap_intervals(compute, [rows], {"fd": value}, resamples=60)


def test_interval_covers_the_expected_score_and_another_repetitions_less_often() -> None:
    rng, inside = np.random.default_rng(7), []
    for seed in range(300):
        rows, others = rng.normal(size=(2, 120, 1))
        value = {"mean": float(rows.mean())}
        low, high = bootstrap_intervals(
            lambda x: {"mean": float(x.mean())}, [rows], value, resamples=80, seed=seed
        )["mean"]
        inside.append((low < 0 < high, low < others.mean() < high))
    expected, repeated = np.mean(inside, axis=0)
    assert 0.9 < expected < 0.98 and 0.75 < repeated < 0.9


def test_interval_refuses_nonsense() -> None:
    with pytest.raises(UserError, match="at least 4 samples"):
        bootstrap_intervals(lambda x: {"m": 0.0}, [np.zeros((3, 1))], {"m": 0.0})
    with pytest.raises(UserError, match="level 95"):
        bootstrap_intervals(lambda x: {"m": 0.0}, [np.zeros((9, 1))], {"m": 0.0}, level=95)


def test_a_sample_on_the_border_of_a_ball_is_outside() -> None:
    """As in the authors' code. Whole numbers, so that the distances are exact: real 0 and 2, generated −2 and 4."""
    real, generated = np.array([[0.0], [2.0]]), np.array([[-2.0], [4.0]])
    assert precision_recall_density_coverage(real, generated, k=1) == (0, 1, 0, 0)
    # The other way round the balls of the real samples, of radius 6, hold both of the generated ones.
    assert precision_recall_density_coverage(generated, real, k=1) == (1, 0, 2, 1)


def test_the_order_of_the_samples_does_not_bias_infinity() -> None:
    """Sets come class by class: each size takes its samples from all of them."""
    low, high = normal(1000, 4, 3), normal(1000, 4, 4, 6.0)
    rows = np.concatenate([low, high])
    real = gaussian_statistics(np.concatenate([normal(4000, 4, 5), normal(4000, 4, 6, 6.0)]))
    sorted_by_class = frechet_distance_infinity(real, rows, least=200)
    assert abs(sorted_by_class.value) < 1 and sorted_by_class.distances.max() < 3
