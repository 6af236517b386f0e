"""Inception Score: torch-fidelity's formula, known answers, degenerate input."""

import numpy as np
import pytest
import torch

from gantry.errors import UserError
from gantry.metrics.inception_score import inception_score


@pytest.mark.parametrize("splits", [1, 7, 10])
def test_equals_torch_fidelity(splits: int) -> None:
    reference = pytest.importorskip("torch_fidelity.metric_isc", reason="torch-fidelity is not installed")
    logits = np.random.default_rng(0).standard_normal((503, 40)).astype(np.float32) * 3
    expected = reference.isc_features_to_metric(torch.from_numpy(logits), splits=splits)
    score = inception_score(logits, splits)
    assert score.mean == pytest.approx(expected["inception_score_mean"], rel=1e-9)
    assert score.deviation == pytest.approx(expected["inception_score_std"], rel=1e-9, abs=1e-12)
    unshuffled = reference.isc_features_to_metric(torch.from_numpy(logits), splits=splits, shuffle=False)
    assert inception_score(logits, splits, None).mean == pytest.approx(
        unshuffled["inception_score_mean"], rel=1e-9
    )


def test_known_answers() -> None:
    certain = np.eye(10).repeat(30, axis=0) * 1000
    assert inception_score(certain, splits=1).mean == pytest.approx(10)
    assert inception_score(np.zeros((40, 10))).mean == pytest.approx(1)
    one_class = np.zeros((40, 10))
    one_class[:, 3] = 1e4
    assert inception_score(one_class) == pytest.approx((1, 0))
    assert inception_score(np.zeros((40, 1))).mean == pytest.approx(1)


def test_a_sorted_mixture_is_shuffled_before_it_is_split() -> None:
    sorted_by_generator = np.eye(2).repeat(500, axis=0) * 1000
    assert inception_score(sorted_by_generator, 10, None).mean == pytest.approx(1)
    assert inception_score(sorted_by_generator, 10).mean == pytest.approx(2, rel=0.02)


def test_bad_input_is_one_clear_message() -> None:
    with pytest.raises(UserError, match="9 samples; this metric needs at least 10"):
        inception_score(np.zeros((9, 4)))
    with pytest.raises(UserError, match="NaN"):
        inception_score(np.full((20, 4), np.nan))
    with pytest.raises(UserError, match="splits 0"):
        inception_score(np.zeros((9, 4)), 0)
