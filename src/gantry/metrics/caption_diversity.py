"""How different samples of one condition are: what noise is left to say beside a caption or a class."""

import numpy as np
from numpy.typing import NDArray


def caption_diversity(features: NDArray[np.floating]) -> float:
    """Return the distance of two samples of one condition, a mean over conditions and pairs of their samples, ≥ 0.

    features: (C, Z, D), Z ≥ 2 samples of each of C conditions. 0: the condition decides everything.
    """
    count = features.shape[1]
    wide = features.astype(np.float64)
    apart = [
        np.sqrt(np.square(wide[:, i] - wide[:, j]).sum(-1)).mean() for i in range(count) for j in range(i)
    ]
    return float(np.mean(apart))
