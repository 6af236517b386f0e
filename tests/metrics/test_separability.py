"""Separability: entropies against scikit-learn's, a linear attribute, a random one, and both together."""

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from gantry.metrics.separability import conditional_entropy, separability


def entropy(labels: np.ndarray) -> float:
    _, counts = np.unique(labels, return_counts=True)
    shares = counts / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def test_the_conditional_entropy_is_what_mutual_information_leaves() -> None:
    random = np.random.default_rng(0)
    truth = random.random(500) < 0.3
    for flipped in (0.0, 0.2, 1.0):
        seen = truth ^ (random.random(500) < flipped)
        left = entropy(truth) - mutual_info_score(truth, seen) / np.log(2)
        assert conditional_entropy(truth, seen) == pytest.approx(left, abs=1e-12)
    assert conditional_entropy(truth, np.ones(500, bool)) == pytest.approx(entropy(truth))


def test_a_linear_attribute_leaves_nothing_open_and_each_random_one_doubles() -> None:
    random = np.random.default_rng(1)
    latents = random.standard_normal((4000, 4))
    linear, unrelated = latents @ [1.0, -2.0, 0.5, 0.0], random.standard_normal((4000, 2))
    assert separability(latents, linear[:, None]) == pytest.approx(1, abs=1e-3)
    assert separability(latents, unrelated[:, :1]) == pytest.approx(2, rel=0.01)
    assert separability(latents, np.column_stack([linear, unrelated])) == pytest.approx(4, rel=0.02)


def test_an_attribute_of_the_radius_is_no_plane() -> None:
    """A disc's inside: no side of a plane tells it; its square would. The control: squares as latents."""
    latents = np.random.default_rng(2).standard_normal((4000, 2))
    radius = np.square(latents).sum(1)
    score = (radius - np.median(radius))[:, None]
    assert separability(latents, score) > 1.8
    assert separability(np.square(latents), score) == pytest.approx(1, abs=1e-3)


def test_what_every_sample_has_is_left_out() -> None:
    latents = np.random.default_rng(3).standard_normal((100, 2))
    assert separability(latents, np.ones((100, 1))) == 1
