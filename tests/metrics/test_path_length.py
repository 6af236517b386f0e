"""Path length against closed forms: a linear generator, and the identity on the circle."""

import numpy as np
import pytest

from gantry.metrics.path_length import lerp, path_length, slerp

EPSILON = 1e-4


def test_of_a_linear_generator_it_is_twice_the_trace() -> None:
    """G(w) = Aw along straight ways between independent pairs: E‖A(w₂ − w₁)‖² = 2·tr(AΣAᵀ), whatever t."""
    rng = np.random.default_rng(0)
    a, root = rng.normal(size=(7, 4)), rng.normal(size=(4, 4))
    start, end = rng.normal(size=(2, 60_000, 4)) @ root.T
    t = rng.uniform(size=len(start))
    near, far = lerp(start, end, t) @ a.T, lerp(start, end, t + EPSILON) @ a.T
    expected = 2 * np.trace(a @ (root @ root.T) @ a.T)
    assert path_length(near, far, EPSILON, dropped=0) == pytest.approx(expected, rel=0.02)
    trimmed = path_length(near, far, EPSILON)
    assert 0.85 * expected < trimmed < 0.99 * expected, "the largest are left out"


def test_of_the_identity_on_the_circle_it_is_the_mean_square_of_an_angle() -> None:
    """Angles between random directions in the plane are uniform on [0, π]: E[θ²] = π²/3."""
    rng = np.random.default_rng(1)
    start, end = rng.normal(size=(2, 60_000, 2))
    t = rng.uniform(size=len(start))
    near, far = slerp(start, end, t), slerp(start, end, t + EPSILON)
    np.testing.assert_allclose(np.linalg.norm(near, axis=1), 1, rtol=1e-12)
    assert path_length(near, far, EPSILON, dropped=0) == pytest.approx(np.pi**2 / 3, rel=0.01)


def test_ways_begin_and_end_where_they_should() -> None:
    rng = np.random.default_rng(2)
    start, end = rng.normal(size=(2, 5, 6))
    unit = [vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in (start, end)]
    np.testing.assert_allclose(slerp(start, end, np.zeros(5)), unit[0], atol=1e-12)
    np.testing.assert_allclose(slerp(start, end, np.ones(5)), unit[1], atol=1e-12)
    np.testing.assert_allclose(lerp(start, end, np.ones(5)), end)
