"""Terms on the players' own weights; either player can have them, or both."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils.parametrize import is_parametrized

from gantry.matrices import left_first, singular_value, unit
from gantry.terms.base import (
    DISCRIMINATOR_TERMS,
    GENERATOR_TERMS,
    DiscriminatorTerm,
    GeneratorTerm,
    Term,
    TermInputs,
    register,
)


def filters(network: nn.Module) -> Iterator[Tensor]:
    """Yield the weights of linear and convolutional layers as (outputs, everything else).

    Of layers with spectral norm, the weights that the optimiser moves.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Linear | _ConvNd):
            weight = _moved(layer)
            yield (weight.transpose(0, 1) if isinstance(layer, _ConvTransposeNd) else weight).flatten(1)


def _moved(layer: Any) -> Tensor:
    return layer.parametrizations.weight.original if is_parametrized(layer, "weight") else layer.weight


def off_diagonal(gram: Tensor) -> Tensor:
    """‖W Wᵀ ⊙ (1 − I)‖²: filters of any length, at right angles. Brock et al. 2019 (BigGAN), eq. 3."""
    return gram.square().sum() - gram.diagonal().square().sum()


def full(gram: Tensor) -> Tensor:
    """‖W Wᵀ − I‖²: filters of length 1, at right angles. Brock et al. 2017, as in BigGAN's eq. 2."""
    return (gram - torch.eye(len(gram), dtype=gram.dtype, device=gram.device)).square().sum()


FORMS: dict[str, Callable[[Tensor], Tensor]] = {"off_diagonal": off_diagonal, "full": full}


class Orthogonality(Term):
    """The sum of `form` over the player's layers, rows of W being the filters."""

    def forward(self, batch: TermInputs) -> Tensor:
        form = FORMS[self.options.form]
        matrices = list(filters(self.player(batch)))
        with torch.autocast(matrices[0].device.type, enabled=False):
            return torch.stack([form(weight @ weight.t()) for weight in matrices]).sum()


@register(DISCRIMINATOR_TERMS, "orthogonal_regularisation")
class DiscriminatorOrthogonality(Orthogonality, DiscriminatorTerm):
    """Orthogonal regularisation of D."""


@register(GENERATOR_TERMS, "orthogonal_regularisation")
class GeneratorOrthogonality(Orthogonality, GeneratorTerm):
    """Orthogonal regularisation of all the generators."""


class SpectralRegularisation(Term):
    """½ Σ σ(W)² over the player's layers, σ being the largest singular value. Yoshida and Miyato 2017, eq. 3.

    σ is uᵀWv of vectors that each evaluation brings one step of the power iteration closer to the singular ones, as
    there; they are constants to the gradient, which is σ·uvᵀ.
    """

    def __init__(self, formulation: str, options: Any, sample_shape: tuple[int, ...]) -> None:
        super().__init__(formulation, options, sample_shape)
        # The right vectors of all layers in a row, as long as they are once the player is seen.
        self.register_buffer("vectors", torch.empty(0))
        self.vectors: Tensor

    def forward(self, batch: TermInputs) -> Tensor:
        matrices = [wide(weight) for weight in filters(self.player(batch))]
        with torch.autocast(matrices[0].device.type, enabled=False):
            if not len(self.vectors):
                self.vectors = matrices[0].new_zeros(sum(matrix.shape[1] for matrix in matrices))
            values, kept = [], []
            for matrix, v in zip(matrices, self.vectors.split([m.shape[1] for m in matrices]), strict=True):
                with torch.no_grad():
                    # Zeros are where nothing has been iterated yet: at the start, and after a graph's rehearsal.
                    v = torch.where(v.any(), v, start(matrix))
                    u, v, sigma = left_first(matrix, matrix[:, 0], v)
                values.append(singular_value(matrix, u, v, sigma))
                kept.append(v)
            self.vectors.copy_(torch.cat(kept))
            return 0.5 * torch.stack(values).square().sum()

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *more: Any) -> None:
        self.vectors = torch.empty_like(state_dict[f"{prefix}vectors"], device=self.vectors.device)
        super()._load_from_state_dict(state_dict, prefix, *more)


def wide(weight: Tensor) -> Tensor:
    """Return float32 or wider."""
    return weight.to(torch.promote_types(weight.dtype, torch.float32))


@torch.no_grad()
def start(matrix: Tensor) -> Tensor:
    """Return the row sums, of length 1: a vector to start from that draws nothing."""
    sums = matrix.t().mv(matrix.sum(1))
    return unit(sums, sums.norm())


@register(DISCRIMINATOR_TERMS, "spectral_regularisation")
class DiscriminatorSpectralRegularisation(SpectralRegularisation, DiscriminatorTerm):
    """Spectral-norm regularisation of D."""


@register(GENERATOR_TERMS, "spectral_regularisation")
class GeneratorSpectralRegularisation(SpectralRegularisation, GeneratorTerm):
    """Spectral-norm regularisation of all the generators."""


class Averaging(Term):
    """‖θ − (1/t) Σ_{i≤t} θ_i‖² over the player's t updates so far. Salimans et al. 2016, section 3.3.

    The mean, which includes the present weights, is a constant to the gradient. Each evaluation is an update.
    """

    def __init__(self, formulation: str, options: Any, sample_shape: tuple[int, ...]) -> None:
        super().__init__(formulation, options, sample_shape)
        # One flat vector, as long as the player's weights once they are seen.
        self.register_buffer("mean", torch.empty(0))
        self.register_buffer("updates", torch.zeros((), dtype=torch.long))
        self.mean: Tensor
        self.updates: Tensor

    def forward(self, batch: TermInputs) -> Tensor:
        weights = torch.cat([parameter.flatten() for parameter in self.player(batch).parameters()])
        with torch.no_grad():
            if not len(self.mean):
                self.mean = torch.zeros_like(weights)
            self.updates += 1
            self.mean += (weights - self.mean) / self.updates
        return (weights - self.mean).square().sum()

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *more: Any) -> None:
        self.mean = torch.empty_like(state_dict[f"{prefix}mean"], device=self.mean.device)
        super()._load_from_state_dict(state_dict, prefix, *more)


@register(DISCRIMINATOR_TERMS, "historical_averaging")
class DiscriminatorAveraging(Averaging, DiscriminatorTerm):
    """Historical averaging of D."""


@register(GENERATOR_TERMS, "historical_averaging")
class GeneratorAveraging(Averaging, GeneratorTerm):
    """Historical averaging of all the generators."""
