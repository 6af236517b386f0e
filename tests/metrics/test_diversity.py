"""Diversity of one picture's samples, by hand."""

import numpy as np
import pytest

from gantry.metrics.diversity import diversity


def test_it_is_the_pixels_deviation_over_the_pictures_own() -> None:
    picture = np.repeat(
        np.asarray([[0, 100], [100, 0]], dtype=np.uint8)[..., None], 3, axis=-1
    )  # deviation 50
    assert diversity(np.stack([picture] * 5), picture) == 0
    assert diversity(np.stack([picture, 100 - picture]), picture) == pytest.approx(1)
    # One pixel of four is 30 up or down: a deviation of 30 there, 7.5 in the mean.
    up, down = picture.copy(), picture.copy()
    up[0, 1], down[0, 1] = 130, 70
    assert diversity(np.stack([up, down]), picture) == pytest.approx(7.5 / 50)
    assert diversity(np.stack([up, down])[:, ::-1], picture[::-1]) == pytest.approx(7.5 / 50), (
        "places do not matter"
    )
