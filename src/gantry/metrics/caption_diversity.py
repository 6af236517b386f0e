"""How different samples of one condition are: what noise is left to say beside a caption or a class."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist


def caption_diversity(features: NDArray[np.floating]) -> float:
    """Return the distance of two samples of one condition, a mean over conditions and pairs of their samples, ≥ 0.

    features: (C, Z, D), Z ≥ 2 samples of each of C conditions. 0: the condition decides everything.
    """
    return float(np.mean([pdist(samples).mean() for samples in features.astype(np.float64)]))
