"""Features of the real images that the referees of classes and attributes learn from, and are tested on.

A feature network takes minutes for them on a CPU, so they are taken from a set's statistics where they lie there.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantry.data import PreparedSet
from gantry.evaluation.stored import LEARNT_FROM, StoredStatistics
from gantry.metrics.features import FeatureNetwork

Array = NDArray[Any]


@dataclass(frozen=True)
class RealFeatures:
    """Of one prepared set under one network (None: points, which are their own features)."""

    prepared: PreparedSet
    network: FeatureNetwork | None
    stored: StoredStatistics | None = None

    def of(self, samples: Array) -> Array:
        """Return (N, D): a feature network's of images, points as they are."""
        return samples if self.network is None else self.network.extract(samples).features

    def learnt(self) -> Array:
        """Return those of the first 5,000 samples at most."""
        stored = self._stored
        return self._of(self.prepared, stored.learnt if stored else None)

    def held_out(self, part: PreparedSet) -> Array:
        """Return those of the first 5,000 samples at most of the set's held-out part."""
        stored = self._stored
        return self._of(part, stored.tested if stored and stored.tested_digest == part.digest else None)

    @property
    def _stored(self) -> StoredStatistics | None:
        """The statistics, if they are of this set and this network."""
        if self.stored is None or self.network is None:
            return None
        told = self.stored.network, self.stored.digest
        return self.stored if told == (self.network.name, self.prepared.digest) else None

    def _of(self, part: PreparedSet, kept: Array | None) -> Array:
        return self.of(np.asarray(part.samples[:LEARNT_FROM])) if kept is None else kept
