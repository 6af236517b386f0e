"""A penalty on the generators by the Jensen–Shannon divergence of intensities."""

from typing import Any

import torch
from torch import Tensor

from gantry.terms.base import GENERATOR_TERMS, Batch, GeneratorTerm, register
from gantry.terms.histograms import SoftBins, Values, entropy, histogram


def jensen_shannon(p: Tensor, q: Tensor) -> Tensor:
    """JS(p, q) = H((p + q)/2) − (H(p) + H(q))/2, in nats, in [0, log 2]."""
    return entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2


@register(GENERATOR_TERMS, "jensen_shannon")
class JensenShannon(GeneratorTerm):
    """JS of the real and the generated values' histograms; the penalty of EDGAN's table 5, column 4.

    The paper does not say how it is estimated; here it is by the same soft bins as the entropy distance. With
    several generated batches it is their sum.
    """

    def __init__(self, formulation: str, options: Any, sample_shape: tuple[int, ...]) -> None:
        super().__init__(formulation, options, sample_shape)
        self.values = Values(options, are_images=len(sample_shape) == 3)
        self.bins = SoftBins(options, self.values.range)

    def forward(self, batch: Batch) -> Tensor:
        with torch.autocast(batch.fake_images[0].device.type, enabled=False):
            pairs = [self.values(batch.real_images, fake) for fake in batch.fake_images]
            return torch.stack(
                [jensen_shannon(histogram(self.bins(x)), histogram(self.bins(y))) for x, y in pairs]
            ).sum()
