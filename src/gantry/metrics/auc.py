"""Whether a score is higher where something is said to be so: the area under the ROC curve."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata


def area_under_curve(scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> float:
    """Return the share of pairs of a positive and a negative in which the positive scores higher; ties count half.

    scores, positive: (N,), of both kinds one at least. ½ is chance.
    """
    count = int(positive.sum())
    below = rankdata(scores)[positive].sum() - count * (count + 1) / 2
    return float(below / (count * (len(scores) - count)))
