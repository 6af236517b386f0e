"""How much of images is as dark or as bright as it can be: what truncation does to a GAN that does not tolerate it.

Brock et al. 2019, section 3.1, say that truncation saturates the samples of some models. They give no number.
"""

import numpy as np
from numpy.typing import ArrayLike

from gantry.metrics.checks import images_of

# On [−1, 1], in which tanh ends.
LEVEL = 0.98


def saturated_share(images: ArrayLike) -> float:
    """Return the share of the numbers of images that are beyond ±0.98 on [−1, 1], in [0, 1].

    Images are (N, side, side, 3) uint8, whose levels 0 to 2 and 253 to 255 are so; UserError for anything else.
    """
    pixels = images_of(images, "images")
    saturated = np.abs(np.arange(256) / 127.5 - 1) > LEVEL
    return float(saturated[pixels].mean())
