"""How far attributes of images are linear in their latents. Karras et al. 2019, section 4.2."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
KEPT = 0.5  # of the samples, those of whose attribute a classifier is surest


def conditional_entropy(truth: NDArray[np.bool_], seen: NDArray[np.bool_]) -> float:
    """Return H(truth | seen) in bits of the empirical joint distribution, (N,) each."""
    entropy = 0.0
    for side in (False, True):
        within = truth[seen == side]
        shares = np.asarray([within.mean(), 1 - within.mean()]) if len(within) else np.ones(1)
        shares = shares[shares > 0]
        entropy -= len(within) / len(truth) * float((shares * np.log2(shares)).sum())
    return entropy


def separability(latents: Array, scores: Array) -> float:
    """Return 2^Σ H(Y|X) over attributes, X being the side of a linear SVM's plane that latents (N, D) are on.

    Y is the sign of an attribute's score, (N, A); of each attribute the half of the samples is taken of which it is
    surest. 1 is exact for an attribute that a plane separates; one that has nothing to do with latents doubles it where
    it is even. An attribute that all or no samples have leaves nothing open, and is left out.
    """
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    open_bits = 0.0
    scaled = StandardScaler().fit_transform(latents.astype(np.float64))
    for score in scores.T:
        surest = np.argsort(-np.abs(score), kind="stable")[: max(1, round(KEPT * len(score)))]
        truth = score[surest] > 0
        if truth.all() or not truth.any():
            continue
        plane = LinearSVC(C=1.0, dual=False).fit(scaled[surest], truth)
        open_bits += conditional_entropy(truth, plane.predict(scaled[surest]).astype(bool))
    return float(2**open_bits)
