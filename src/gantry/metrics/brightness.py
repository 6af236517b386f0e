"""How bright the backgrounds of images are: the light in a frame along their edges."""

import numpy as np
from numpy.typing import ArrayLike

from gantry.metrics.checks import images_of

# Of the side, on each edge: at 256×256 a frame of 32 pixels, which of an aligned face is hair and background.
FRAME = 8
# Rec. 601 luma, as Pillow and ITU-R BT.601-7 have it.
LUMA = np.array([0.299, 0.587, 0.114])


def background_brightness(images: ArrayLike) -> float:
    """Return the mean luma of the frame that is an eighth of the side wide, from 0 (black) to 1 (white).

    Images are (N, side, side, 3) uint8; raises UserError for anything else.
    """
    pixels = images_of(images, "images")
    rows, columns = pixels[0, :, :, 0].shape
    high, wide = max(1, rows // FRAME), max(1, columns // FRAME)
    frame = np.ones((rows, columns), dtype=bool)
    frame[high : rows - high, wide : columns - wide] = False
    colours = pixels[:, frame].mean(axis=(0, 1), dtype=np.float64)
    return float(colours @ LUMA / 255)
