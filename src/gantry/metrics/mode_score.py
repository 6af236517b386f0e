"""Mode Score from class logits: the class score, less what the classes' shares are off the real ones.

MS = exp( E_x KL( p(y|x) ‖ p(y) ) − KL( p(y) ‖ p*(y) ) ), p* the real images' class distribution: Che et al.
2017 in the form of Xu et al. 2018, section 2. (With p* in both terms, as it is sometimes printed, p* cancels
and the score is the Inception Score.)
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr, rel_entr

from gantry.errors import UserError
from gantry.metrics.checks import finite_rows
from gantry.metrics.inception_score import shares_and_entropy


def mode_score(logits: ArrayLike, real_shares: ArrayLike) -> float:
    """Return the score of generated logits (N, C) beside the real `class_shares` (C,): 0 to C, in one split."""
    shares, entropy = shares_and_entropy(finite_rows(logits, "class logits"))
    real = np.asarray(real_shares, dtype=np.float64)
    if shares.shape != real.shape:
        raise UserError(
            f"mode_score: {len(shares)} classes against real shares of shape {real.shape}; were both made by the "
            "same network?"
        )
    # A class without any real image would make the score 0 by rounding alone.
    off = rel_entr(shares, np.maximum(real, np.finfo(np.float64).tiny)).sum()
    return float(np.exp(entr(shares).sum() - entropy - off))


def class_shares(logits: ArrayLike) -> NDArray[np.float64]:
    """Return p(y) (C,): the mean of p(y|x) over logits (N, C)."""
    return shares_and_entropy(finite_rows(logits, "class logits"))[0]
