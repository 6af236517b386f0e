"""EDGAN's conditional entropy distance δ(X, Y) = H(X|Y) + H(Y|X), and how it is estimated from two batches.

The paper leaves the estimate open ("train and estimate δ", algorithm 1), so here it is an option. `of` says what X
and Y are: the batch's mean image, whole images or what D says, as distributions whose cross-entropies stand for the
conditional entropies; or numbers, all pixels of a batch (or coordinates, or features) taken for draws of one
variable. With numbers whose pairs are drawn independently, as a real and a generated image are, δ is close to
H(X) + H(Y), and its gradient to that of the generated entropy alone, which it lowers. `pairs: sorted` pairs quantiles
instead; yet δ is 0 wherever each variable determines the other, so that no pairing makes it ask for equal
distributions. docs/terms.md has what each reading does.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from gantry.plan.blocks.terms import COUNTED, STATISTIC_PAIRS
from gantry.terms.base import GENERATOR_TERMS, GeneratorTerm, TermInputs, register
from gantry.terms.bidirectional import as_atoms
from gantry.terms.features import features_of
from gantry.terms.histograms import (
    SoftBins,
    Values,
    at_least_single,
    entropy,
    histogram,
    joint_histogram,
)
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


class OfValues(nn.Module):
    """δ of the numbers of two batches, as draws of one variable each, by a histogram's or a network's estimate."""

    def __init__(self, options: Any, sample_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.values = Values(options, are_images=options.of == "samples" and len(sample_shape) == 3)
        self.pair = PAIRINGS[options.pairs]
        self.estimator = ESTIMATORS[options.estimator](options, self.values.range)

    def forward(self, real: Tensor, fake: Tensor) -> Tensor:
        return self.estimator(*self.values(self.pair(real), self.pair(fake)))


class NeuralOfImages(nn.Module):
    """−2·Î(X; X̂) of pairs of images (B, D), which is δ up to H(X) + H(X̂); both count as constants.

    Î is a trained lower bound, whose network sees the i-th real image with the i-th generated one.
    """

    def __init__(self, options: Any, sample_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.statistic = StatisticNetwork(options.width, prod(sample_shape))
        self.bound = BOUNDS[options.bound]

    def forward(self, real: Tensor, fake: Tensor) -> Tensor:
        return -2 * self.bound(self.statistic, real, fake)


class CrossEntropies(nn.Module):
    """−Σ p log q − Σ q log p of distributions p (real) and q (generated), given by logits (N, n); mean over N.

    "H(X|Y)" read as the cross-entropy of Y's distribution under X's, as a loss function of that name computes it.
    """

    def __init__(self, options: Any, sample_shape: tuple[int, ...]) -> None:
        super().__init__()

    def forward(self, real: Tensor, fake: Tensor) -> Tensor:
        log_p, log_q = real.log_softmax(1), fake.log_softmax(1)
        return -(log_p.exp() * log_q + log_q.exp() * log_p).sum(1).mean()


def samples(batch: TermInputs) -> tuple[Tensor, Sequence[Tensor]]:
    """The real and the generated samples."""
    return batch.real_images, batch.fake_images


def images(batch: TermInputs) -> tuple[Tensor, Sequence[Tensor]]:
    """The samples as rows (B, D)."""
    return batch.real_images.flatten(1), [fake.flatten(1) for fake in batch.fake_images]


def mean_image(batch: TermInputs) -> tuple[Tensor, Sequence[Tensor]]:
    """The mean of each batch as one row (1, D)."""
    real, fakes = images(batch)
    return real.mean(0, keepdim=True), [fake.mean(0, keepdim=True) for fake in fakes]


def logits(batch: TermInputs) -> tuple[Tensor, Sequence[Tensor]]:
    """What each discriminator says of a sample as logits over atoms (N, n), two where it says one number."""

    def rows(outputs: Tensor) -> Tensor:
        return as_atoms(at_least_single(outputs).unflatten(1, (batch.discriminators, -1)).flatten(0, 1))

    with torch.no_grad():
        said = batch.discriminator(batch.real_images) if batch.real_outputs is None else batch.real_outputs
        real: Tensor = getattr(said, "logits", said)
    return rows(real.detach()), [rows(outputs) for outputs in batch.fake_outputs]


SOURCES: dict[str, Callable[[TermInputs], tuple[Tensor, Sequence[Tensor]]]] = {
    "samples": samples,
    "features": features_of,
    "images": images,
    "mean_image": mean_image,
    "logits": logits,
}
# What of whole samples, or of distributions; values are counted by the estimators above.
DISTANCES: dict[str, type[nn.Module]] = {"neural": NeuralOfImages, "cross_entropy": CrossEntropies}


@register(GENERATOR_TERMS, "entropy_distance")
class EntropyDistance(GeneratorTerm):
    """δ(X, X̂) of a real and a generated batch, by the estimator of the recipe. EDGAN eqs. 8 and 10.

    With several generated batches it is their sum. `detached`, it has a value and no gradient.
    """

    def __init__(self, formulation: str, options: Any, sample_shape: tuple[int, ...]) -> None:
        super().__init__(formulation, options, sample_shape)
        kind = OfValues if options.of in COUNTED else DISTANCES[options.estimator]
        self.distance = kind(options, sample_shape)

    def forward(self, batch: TermInputs) -> Tensor:
        real, fakes = SOURCES[self.options.of](batch)
        with torch.autocast(real.device.type, enabled=False):
            found = [self.distance(at_least_single(real), at_least_single(fake)) for fake in fakes]
            distance = torch.stack(found).sum()
        return distance.detach() if self.options.detached else distance
