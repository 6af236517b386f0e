"""Inception Score from class logits.

IS = exp( E_x KL( p(y|x) ‖ p(y) ) ), mean and standard deviation over splits.     (Salimans et al. 2016)
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_softmax

from gantry.errors import UserError
from gantry.metrics.checks import finite_rows


class InceptionScore(NamedTuple):
    """Mean and (population) standard deviation of the score over splits; from 1 to the number of classes."""

    mean: float
    deviation: float


def inception_score(logits: ArrayLike, splits: int = 10, shuffle_seed: int | None = 2020) -> InceptionScore:
    """Return the score of logits (N, C), float64 throughout; N ≥ splits.

    The reference takes the Inception's logits without the output layer's bias; give those. Split i holds
    samples ⌊iN/s⌋ to ⌊(i+1)N/s⌋, as in the original code. Samples are shuffled first as torch-fidelity does
    (seed 2020), because a mixture's samples come sorted by generator; None keeps their order, as the
    original code does. With one split the order does not matter.
    """
    rows = finite_rows(logits, "class logits", least=max(splits, 1))
    if splits < 1:
        raise UserError(f"inception_score: splits {splits} is not a positive number")
    if shuffle_seed is not None:
        # The legacy generator is torch-fidelity's: the same seed must give the same splits.
        rows = rows[np.random.RandomState(shuffle_seed).permutation(len(rows))]
    log_p = log_softmax(rows.astype(np.float64), axis=1)
    bounds = [i * len(rows) // splits for i in range(splits + 1)]
    scores = [_score(log_p[start:end]) for start, end in pairwise(bounds)]
    return InceptionScore(float(np.mean(scores)), float(np.std(scores)))


def _score(log_p: np.ndarray) -> float:
    """exp of the mean divergence of p(y|x) (rows of `log_p`) from their mean p(y)."""
    p = np.exp(log_p)
    # A class that no sample can belong to (p(y) = 0) adds nothing, whatever its logarithm.
    log_marginal = np.log(np.maximum(p.mean(axis=0), np.finfo(np.float64).tiny))
    return float(np.exp((p * (log_p - log_marginal)).sum(axis=1).mean()))
