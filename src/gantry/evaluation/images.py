"""Metrics of generated images against a prepared set, on one feature network."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gantry.data import PreparedSet
from gantry.errors import UserError
from gantry.evaluation.computations import SPLITS, computations
from gantry.evaluation.score import Row, equal_mixture
from gantry.evaluation.stored import StoredStatistics
from gantry.metrics import metric
from gantry.metrics.features import FeatureNetwork
from gantry.metrics.names import MIXTURE

Images = NDArray[np.uint8]


@dataclass(frozen=True)
class Scored:
    """One source of samples as the metrics see it: images, and their features and logits where needed."""

    images: Images
    features: NDArray[np.float32] | None
    logits: NDArray[np.float32] | None


class ImageScorer:
    """Scores uint8 images (N, H, W, 3) of each generator, and of their equal mixture where there are several.

    The network sees each image once: the mixture's features are rows of the generators' own.
    """

    def __init__(
        self,
        prepared: PreparedSet,
        network: FeatureNetwork,
        statistics: Path | StoredStatistics,
        splits: int = SPLITS,
    ) -> None:
        self.network = network
        self.splits = splits
        self.computations = computations(splits)
        self.digest = prepared.digest
        stored = StoredStatistics.load(statistics) if isinstance(statistics, Path) else statistics
        self.real = replace(stored, images=prepared.samples)

    @property
    def stored(self) -> StoredStatistics:
        return self.real

    def against(self, part: PreparedSet) -> "ImageScorer":
        """Return the scorer of another part of the data, whose features are computed here."""
        seen = self.network.extract(part.samples)
        stored = StoredStatistics.of(part.name, seen, self.network.name, "")
        return ImageScorer(part, self.network, stored, self.splits)

    def check(self, metrics: list[str]) -> None:
        """Raise UserError if a metric needs what the network does not give, or what was not stored of this set."""
        for name in metrics:
            if metric(name).needs == "logits" and not self.network.has_probabilities:
                raise UserError(
                    f"metrics: {name} needs class probabilities, which feature network {self.network.name} does "
                    "not give; leave it out of the workload's metrics, or choose another network "
                    "(--config features=…)"
                )
        self.real.check(self.network.name, self.digest)
        for name in metrics:
            self.real.reference(self.computations[name].reference)

    def __call__(self, drawn: dict[str, Images], metrics: list[str]) -> Iterator[Row]:
        """Yield (source, metric, value, samples, network) for every source and metric."""
        asked = any(metric(name).uses_network for name in metrics)
        sources = {name: self._look(images, asked) for name, images in drawn.items()}
        if len(drawn) > 1:
            sources[MIXTURE] = self._mix(list(sources.values()))
        for source, scored in sources.items():
            # Several metrics come out of one computation: each computation runs once.
            for (compute, reference), first in {self.computations[name]: name for name in metrics}.items():
                real, generated = self.real.reference(reference), getattr(scored, metric(first).needs)
                for name, value in compute(real, generated, self.network.device.type).items():
                    network = self.network.name if metric(name).uses_network else ""
                    yield source, name, value, len(scored.images), network

    def _look(self, images: Images, asked: bool) -> Scored:
        if not asked:
            return Scored(images, None, None)
        found = self.network.extract(images)
        return Scored(images, found.features, found.logits)

    def _mix(self, parts: list[Scored]) -> Scored:
        count = min(len(part.images) for part in parts)
        features = [part.features for part in parts if part.features is not None]
        logits = [part.logits for part in parts if part.logits is not None]
        return Scored(
            equal_mixture([part.images for part in parts], count),
            equal_mixture(features, count) if features else None,
            equal_mixture(logits, count) if logits else None,
        )
