"""What D sees: terms on the activations that its last layer reads."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.modules.conv import _ConvNd

from gantry.terms.base import GENERATOR_TERMS, GeneratorTerm, TermInputs, register
from gantry.terms.histograms import at_least_single


def penultimate(discriminator: nn.Module, samples: Tensor) -> Tensor:
    """Return what enters the last linear or convolutional layer that D runs on `samples`: (B, features).

    Where D is an autoencoder, return the code of `samples` instead. Costs a pass through D. Raises TypeError
    for a D without such a layer.
    """
    encode = getattr(discriminator, "encode", None)
    if callable(encode):
        return at_least_single(encode(samples).flatten(1))
    entered: list[Tensor] = []
    hooks = [
        layer.register_forward_pre_hook(lambda _, given: entered.append(given[0]))
        for layer in discriminator.modules()
        if isinstance(layer, nn.Linear | _ConvNd)
    ]
    try:
        discriminator(samples)
    finally:
        for hook in hooks:
            hook.remove()
    if not entered:
        raise TypeError(f"{type(discriminator).__name__} runs no linear or convolutional layer")
    return at_least_single(entered[-1].flatten(1))


def features_of(batch: TermInputs) -> tuple[Tensor, Sequence[Tensor]]:
    """Return the features of the real batch, constants, and of each generated one."""
    with torch.no_grad():
        real = penultimate(batch.discriminator, batch.real_images)
    return real, [penultimate(batch.discriminator, fake) for fake in batch.fake_images]


@register(GENERATOR_TERMS, "feature_matching")
class FeatureMatching(GeneratorTerm):
    """‖E f(x) − E f(G(z))‖², f being D's penultimate activations. Salimans et al. 2016, section 3.1."""

    def forward(self, batch: TermInputs) -> Tensor:
        real, fakes = features_of(batch)
        return torch.stack([(real.mean(0) - fake.mean(0)).square().sum() for fake in fakes]).sum()


@register(GENERATOR_TERMS, "pulling_away")
class PullingAway(GeneratorTerm):
    """Mean squared cosine between D's features of different generated samples. Zhao et al. 2017, section 2.4."""

    def forward(self, batch: TermInputs) -> Tensor:
        features = [penultimate(batch.discriminator, fake) for fake in batch.fake_images]
        return torch.stack([mean_squared_cosine(layer) for layer in features]).sum()


def mean_squared_cosine(features: Tensor) -> Tensor:
    """1/(B(B−1)) Σ_{i≠j} cos²(f_i, f_j) of the rows of (B, F), B ≥ 2; in [0, 1]."""
    directions = normalize(features, dim=1)
    with torch.autocast(features.device.type, enabled=False):
        cosines = directions @ directions.t()
    count = len(features)
    return (cosines.square().sum() - cosines.diagonal().square().sum()) / (count * (count - 1))
