"""Background brightness: the frame alone counts, and colours by their luma."""

import numpy as np
import pytest

from gantry.errors import UserError
from gantry.metrics.brightness import LUMA, background_brightness


def test_only_the_frame_counts():
    images = np.zeros((2, 32, 32, 3), dtype=np.uint8)
    images[:, 4:28, 4:28] = 255
    assert background_brightness(images) == 0
    assert background_brightness(255 - images) == pytest.approx(1)
    images[0, 0, 0] = 255
    frame = 32 * 32 - 24 * 24
    assert background_brightness(images) == pytest.approx(1 / (2 * frame))


def test_colours_count_by_their_luma():
    for channel, weight in enumerate(LUMA):
        image = np.zeros((1, 8, 8, 3), dtype=np.uint8)
        image[..., channel] = 255
        assert background_brightness(image) == pytest.approx(weight)
    assert LUMA.sum() == pytest.approx(1)


def test_what_is_no_image_is_refused():
    with pytest.raises(UserError, match="expected uint8 images"):
        background_brightness(np.zeros((1, 8, 8, 3)))
