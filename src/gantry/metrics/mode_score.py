"""Mode Score from class logits: the class score, less what the classes' shares are off the real ones.

MS = exp( E_x KL( p(y|x) ‖ p(y) ) − KL( p(y) ‖ p*(y) ) ), p* the real images' class distribution: Che et al.
2017 in the form of Xu et al. 2018, section 2. (With p* in both terms, as it is sometimes printed, p* cancels
and the score is the Inception Score.)
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import rel_entr, softmax

from gantry.metrics.checks import finite_rows, same_width
from gantry.metrics.inception_score import inception_score


def mode_score(logits: ArrayLike, real_logits: ArrayLike) -> float:
    """Return the score of generated logits (N, C) beside real ones (M, C): 0 to C, in one split."""
    generated, real = finite_rows(logits, "class logits"), finite_rows(real_logits, "real class logits")
    same_width(generated, real, "mode_score")
    shares, real_shares = (softmax(x.astype(np.float64), axis=1).mean(axis=0) for x in (generated, real))
    # A class without any real image would make the score 0 by rounding alone.
    off = rel_entr(shares, np.maximum(real_shares, np.finfo(np.float64).tiny)).sum()
    return float(inception_score(generated, splits=1).mean * np.exp(-off))
