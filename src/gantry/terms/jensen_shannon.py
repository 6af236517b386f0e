"""A penalty on the generators by the Jensen–Shannon divergence of intensities."""

import math
from typing import Any

import torch
from torch import Tensor

from gantry.terms.base import GENERATOR_TERMS, GeneratorTerm, TermInputs, register
from gantry.terms.histograms import SoftBins, Values, at_least_single, entropy, histogram


def jensen_shannon(p: Tensor, q: Tensor) -> Tensor:
    """JS(p, q) = H((p + q)/2) − (H(p) + H(q))/2, in nats, in [0, log 2]."""
    return entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2


def of_images(real: Tensor, fake: Tensor) -> Tensor:
    """JS of the softmax of each row of (B, D) with the same row of the other batch, mean over B; in [0, log 2]."""
    log_p, log_q = real.log_softmax(1), fake.log_softmax(1)
    log_middle = torch.logaddexp(log_p, log_q) - math.log(2)
    return 0.5 * (log_p.exp() * (log_p - log_middle) + log_q.exp() * (log_q - log_middle)).sum(1).mean()


@register(GENERATOR_TERMS, "jensen_shannon")
class JensenShannon(GeneratorTerm):
    """JS of the real and the generated values' histograms; the penalty of EDGAN's table 5, column 4.

    The paper does not say how it is estimated; here it is by the same soft bins as the entropy distance, or with
    `of: images` of each real image with a generated one, as distributions over their pixels. With several
    generated batches it is their sum.
    """

    def __init__(self, formulation: str, options: Any, sample_shape: tuple[int, ...]) -> None:
        super().__init__(formulation, options, sample_shape)
        self.values = Values(options, are_images=len(sample_shape) == 3)
        self.bins = SoftBins(options, self.values.range)

    def forward(self, batch: TermInputs) -> Tensor:
        measure = of_images if self.options.of == "images" else self._of_values
        real = at_least_single(batch.real_images)
        with torch.autocast(real.device.type, enabled=False):
            found = [measure(real.flatten(1), at_least_single(fake).flatten(1)) for fake in batch.fake_images]
            return torch.stack(found).sum()

    def _of_values(self, real: Tensor, fake: Tensor) -> Tensor:
        x, y = self.values(real, fake)
        return jensen_shannon(histogram(self.bins(x)), histogram(self.bins(y)))
