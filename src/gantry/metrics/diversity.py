"""How much the samples of one picture differ among themselves. Rott Shaham et al. 2019, section 4."""

import numpy as np
from numpy.typing import NDArray


def diversity(samples: NDArray[np.uint8], picture: NDArray[np.uint8]) -> float:
    """Return the deviation of each pixel's intensity over samples (N, H, W, 3), a mean over pixels, over the picture's.

    Intensities are means of the three channels; the picture's (H, W, 3) deviation is that over its pixels.
    """
    grey = samples.astype(np.float64).mean(axis=-1)
    return float(grey.std(axis=0).mean() / picture.astype(np.float64).mean(axis=-1).std())
