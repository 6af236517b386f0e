"""EDGAN's conditional entropy distance δ(X, Y) = H(X|Y) + H(Y|X), and how it is estimated from two batches.

The paper leaves the estimate open ("train and estimate δ", algorithm 1), so here it is an option. X and Y are
numbers, all pixels of a batch (or coordinates, or features) taken for draws of one variable. With pairs that
are drawn independently, as a real and a generated image are, δ is close to H(X) + H(Y), and its gradient to
that of the generated entropy alone, which it lowers. `pairs: sorted` pairs quantiles instead; yet δ is 0
wherever each variable determines the other, so that no pairing makes it ask for equal distributions.
"""

from typing import Any

import torch
from torch import Tensor, nn

from gantry.plan.blocks.terms import STATISTIC_PAIRS
from gantry.terms.base import GENERATOR_TERMS, Batch, GeneratorTerm, register
from gantry.terms.features import features_of
from gantry.terms.histograms import SoftBins, Values, entropy, histogram, joint_histogram
from gantry.terms.information import BOUNDS, StatisticNetwork


def entropy_distance(joint: Tensor) -> Tensor:
    """δ(X, Y) = 2H(X, Y) − H(X) − H(Y) in nats, exactly, from P(X, Y), a matrix; EDGAN eq. 8."""
    return 2 * entropy(joint) - entropy(joint.sum(1)) - entropy(joint.sum(0))


class Parzen(nn.Module):
    """δ of the soft bins: (N,), (N,) → a scalar in [0, 2 log bins], in nats.

    It is the exact δ of two bins drawn with the kernel's probabilities, hence never negative. For X = Y it is
    not 0, the two bins being drawn apart from each other; it goes to 0 with `bandwidth`.
    """

    def __init__(self, options: Any, default_range: tuple[float, float]) -> None:
        super().__init__()
        self.bins = SoftBins(options, default_range)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return entropy_distance(joint_histogram(self.bins(x), self.bins(y)))


class Neural(nn.Module):
    """H(X) + H(Y) − 2·Î(X; Y), the entropies by soft bins and Î a trained lower bound: an upper estimate of δ.

    The statistic network's weights lower this value as they raise Î, and so do the generators': both want the
    same, max_T max_G Î, so one optimiser serves both. The network sees at most 2048 pairs an update, each number
    with noise of the kernel's width: the information of continuous variables is unbounded without.
    """

    def __init__(self, options: Any, default_range: tuple[float, float]) -> None:
        super().__init__()
        self.bins = SoftBins(options, default_range)
        self.statistic = StatisticNetwork(options.width)
        self.bound = BOUNDS[options.bound]

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        entropies = entropy(histogram(self.bins(x))) + entropy(histogram(self.bins(y)))
        drawn = torch.randperm(len(x), device=x.device)[:STATISTIC_PAIRS]
        return entropies - 2 * self.bound(self.statistic, self._noisy(x[drawn]), self._noisy(y[drawn]))

    def _noisy(self, values: Tensor) -> Tensor:
        return values + self.bins.sigma * torch.randn_like(values)


def in_batch_order(batch: Tensor) -> Tensor:
    """The i-th real sample with the i-th generated one, position by position."""
    return batch


def in_order_of_size(batch: Tensor) -> Tensor:
    """At each position, the i-th smallest real value with the i-th smallest generated one."""
    return batch.sort(0).values


PAIRINGS = {"batch": in_batch_order, "sorted": in_order_of_size}
ESTIMATORS: dict[str, type[nn.Module]] = {"parzen": Parzen, "neural": Neural}


@register(GENERATOR_TERMS, "entropy_distance")
class EntropyDistance(GeneratorTerm):
    """δ(X, X̂) of a real and a generated batch, by the estimator of the recipe. EDGAN eqs. 8 and 10.

    With several generated batches it is their sum.
    """

    def __init__(self, formulation: str, options: Any, sample_shape: tuple[int, ...]) -> None:
        super().__init__(formulation, options, sample_shape)
        self.values = Values(options, are_images=options.of == "samples" and len(sample_shape) == 3)
        self.pair = PAIRINGS[options.pairs]
        self.estimator = ESTIMATORS[options.estimator](options, self.values.range)

    def forward(self, batch: Batch) -> Tensor:
        real, fakes = batch.real_images, batch.fake_images
        if self.options.of == "features":
            real, fakes = features_of(batch)
        with torch.autocast(real.device.type, enabled=False):
            return torch.stack(
                [self.estimator(*self.values(self.pair(real), self.pair(fake))) for fake in fakes]
            ).sum()
