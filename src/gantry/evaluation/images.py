"""Metrics of generated images against a prepared set, on one feature network."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gantry.data import PreparedSet
from gantry.errors import UserError
from gantry.evaluation.score import Row, equal_mixture
from gantry.metrics import metric
from gantry.metrics.features import FeatureNetwork
from gantry.metrics.frechet import GaussianStatistics, frechet_distance, gaussian_statistics
from gantry.metrics.inception_score import inception_score
from gantry.metrics.swd import sliced_wasserstein

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

    def __init__(self, prepared: PreparedSet, network: FeatureNetwork, statistics: Path) -> None:
        self.network = network
        self.real_statistics = GaussianStatistics.load(statistics)
        self.real_images = prepared.samples

    def check(self, metrics: list[str]) -> None:
        """Raise UserError if a metric needs class probabilities that the network does not give."""
        for name in metrics:
            if metric(name).needs == "logits" and not self.network.has_probabilities:
                raise UserError(
                    f"metrics: {name} needs class probabilities, which feature network {self.network.name} does "
                    "not give; leave it out of the workload's metrics, or choose another network "
                    "(--config features=…)"
                )

    def __call__(self, drawn: dict[str, Images], metrics: list[str]) -> Iterator[Row]:
        """Yield (source, metric, value, samples, network) for every source and metric."""
        sources = {name: self._look(images) for name, images in drawn.items()}
        if len(drawn) > 1:
            sources["mixture"] = self._mix(list(sources.values()))
        for source, scored in sources.items():
            for compute in dict.fromkeys(COMPUTATIONS[name] for name in metrics):
                for name, value in compute(self, scored).items():
                    network = self.network.name if metric(name).uses_network else ""
                    yield source, name, value, len(scored.images), network

    def _look(self, images: Images) -> Scored:
        found = self.network.extract(images)
        return Scored(images, found.features, found.logits)

    def _mix(self, parts: list[Scored]) -> Scored:
        count = min(len(part.images) for part in parts)
        logits = [part.logits for part in parts if part.logits is not None]
        return Scored(
            equal_mixture([part.images for part in parts], count),
            equal_mixture([part.features for part in parts if part.features is not None], count),
            equal_mixture(logits, count) if logits else None,
        )

    def frechet(self, scored: Scored) -> dict[str, float]:
        """Fréchet distance between the features' Gaussians."""
        assert scored.features is not None
        return {
            "frechet_distance": frechet_distance(self.real_statistics, gaussian_statistics(scored.features))
        }

    def class_score(self, scored: Scored) -> dict[str, float]:
        """Inception Score's formula on the network's own classes."""
        assert scored.logits is not None
        return {"inception_score": inception_score(scored.logits).mean}

    def pyramid(self, scored: Scored) -> dict[str, float]:
        """SWD ×10³, its mean and each level."""
        found = sliced_wasserstein(self.real_images, scored.images, device=str(self.network.device))
        return {"swd": found.mean} | {f"swd_{level}": value for level, value in found.levels.items()}


COMPUTATIONS: dict[str, Callable[[ImageScorer, Scored], dict[str, float]]] = {
    "frechet_distance": ImageScorer.frechet,
    "inception_score": ImageScorer.class_score,
    "swd": ImageScorer.pyramid,
}
