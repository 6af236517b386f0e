"""Inception Score from class logits.

IS = exp( E_x KL( p(y|x) ‖ p(y) ) ), mean and standard deviation over splits.     (Salimans et al. 2016)
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr

from gantry.errors import UserError
from gantry.metrics.checks import finite_rows

BLOCK = 512  # rows at once: few enough for the processor's cache


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
    bounds = [i * len(rows) // splits for i in range(splits + 1)]
    scores = [_score(rows[start:end]) for start, end in pairwise(bounds)]
    return InceptionScore(float(np.mean(scores)), float(np.std(scores)))


def _score(logits: NDArray) -> float:
    """exp of E_x Σ p(y|x) log p(y|x) − Σ p(y) log p(y), which is the mean divergence of p(y|x) from p(y)."""
    shares, entropy = shares_and_entropy(logits)
    return float(np.exp(entr(shares).sum() - entropy))


def shares_and_entropy(logits: NDArray) -> tuple[NDArray[np.float64], float]:
    """Return p(y) (C,), the mean of p(y|x) over logits (N, C), and the mean entropy of p(y|x), in nats."""
    shares, entropy = np.zeros(logits.shape[1]), 0.0
    for start in range(0, len(logits), BLOCK):
        shifted = logits[start : start + BLOCK].astype(np.float64)
        shifted -= shifted.max(axis=1, keepdims=True)
        p = np.exp(shifted)
        sums = p.sum(axis=1, keepdims=True)
        p /= sums
        entropy += np.log(sums).sum() - np.einsum("ij,ij->", p, shifted)
        shares += p.sum(axis=0)
    return shares / len(logits), entropy / len(logits)
