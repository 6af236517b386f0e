"""Precision, recall, density and coverage of generated features.

Kynkäänniemi et al. 2019 (precision, recall), Naeem et al. 2020 (density, coverage; their section 3 and the
prdc package, whose strict comparison and k = 5 are kept).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gantry.metrics.distances import centred_pair, squared_blocks, squared_radii


class Prdc(NamedTuple):
    """Precision, recall, coverage: 0 to 1. Density: from 0, with 1 where generated is as dense as real."""

    precision: float
    recall: float
    density: float
    coverage: float


def precision_recall_density_coverage(real: ArrayLike, generated: ArrayLike, k: int = 5) -> Prdc:
    """Return the four scores of generated features (M, D) against real ones (N, D), N and M above k.

    A ball reaches from a sample to its k-th nearest neighbour in its own set. Precision: share of generated
    samples inside a real ball. Recall: share of real samples inside a generated ball. Density: mean number
    of real balls around a generated sample, over k. Coverage: share of real balls with a generated sample.
    """
    x, y = centred_pair(np.asarray(real), np.asarray(generated), least=2)
    real_radii, generated_radii = squared_radii(x, k), squared_radii(y, k)
    balls_around = np.zeros(len(y))
    recalled = covered = 0
    for rows, squared in squared_blocks(x, y):
        in_real_ball = squared < real_radii[rows, None]
        balls_around += in_real_ball.sum(axis=0)
        covered += int(in_real_ball.any(axis=1).sum())
        recalled += int((squared < generated_radii).any(axis=1).sum())
    return Prdc(
        precision=float((balls_around > 0).mean()),
        recall=recalled / len(x),
        density=float(balls_around.mean() / k),
        coverage=covered / len(x),
    )
