"""Spectral norm (Miyato et al. 2018): weights divided by their largest singular value.

Computed in float32 or wider whatever the rest of a pass computes in: under CUDA's autocast PyTorch's own makes the
products of its power iteration in bfloat16. In place of three products a pass makes two, and a weight in
channels-last order is not copied.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, relu
from torch.nn.utils.parametrize import is_parametrized, register_parametrization

from gantry.matrices import (
    PowerStep,
    as_matrix,
    columns_of,
    left_first,
    output_dimension,
    right_first,
    singular_value,
)

LAYERS = nn.Conv2d | nn.ConvTranspose2d | nn.Linear


@dataclass(frozen=True)
class Way:
    """One way to iterate: the order of a step, steps before training, and whether each batch has a pass of its own."""

    step: PowerStep
    at_start: int
    counts_passes: bool


WAYS: dict[str, Way] = {
    # As PyTorch's parametrisation: 15 steps when it is built, and the one that its registration makes.
    "shared": Way(left_first, at_start=16, counts_passes=False),
    # As RealnessGAN's and BCGAN's code: D sees one batch after the other, and iterates with each.
    "per_batch": Way(right_first, at_start=0, counts_passes=True),
}


def _full_precision(device: str) -> AbstractContextManager[object]:
    """Leave autocast, where there is one: `torch.export` takes minutes over hundreds of blocks that change nothing."""
    # PyTorch's device without data has no autocast, and to ask is an error.
    has_one = device != "meta" and torch.is_autocast_enabled(device)
    return torch.autocast(device, enabled=False) if has_one else nullcontext()


class SpectralNorm(nn.Module):
    """W → W/σ, with σ = uᵀWv of vectors that each pass in train mode brings a step closer to the singular ones.

    u and v are constants to the gradient. The vectors are kept in the weight's own shape, one filter wide, so that
    they take up its memory order with it.
    """

    def __init__(self, weight: Tensor, rows: int, way: Way) -> None:
        super().__init__()
        self.rows = rows
        self.step = way.step
        self.counts_passes = way.counts_passes
        # What vectors begin as does not depend on the order in which memory holds a weight.
        columns = [axis for axis in range(weight.dim()) if axis != rows]
        matrix = as_matrix(weight, rows, columns)
        u = normalize(torch.randn_like(matrix[:, 0]), dim=0)
        v = normalize(torch.randn_like(matrix[0]), dim=0)
        self.u: Tensor
        self.v: Tensor
        u, right = self._begun(weight, matrix, columns, u, v, way.at_start)
        self.register_buffer("u", u)
        self.register_buffer("v", right)

    def _begun(
        self, weight: Tensor, matrix: Tensor, columns: list[int], u: Tensor, v: Tensor, steps: int
    ) -> tuple[Tensor, Tensor]:
        """Return u, and v in the weight's own shape, after `steps` of the iteration on `matrix`."""
        with torch.no_grad():
            for _ in range(steps):
                u, v, _ = self.step(matrix, u, v)
            right = weight.new_empty(weight.narrow(self.rows, 0, 1).shape)
            self._write(right, columns, v)
        return u, right

    def _write(self, right: Tensor, columns: list[int], v: Tensor) -> None:
        """Write v, of a matrix with these columns, into a buffer in the weight's own shape."""
        shape = [right.shape[axis] for axis in (self.rows, *columns)]
        right.permute(self.rows, *columns).copy_(v.view(shape))

    def forward(self, weight: Tensor) -> Tensor:
        with _full_precision(weight.device.type):
            wide = weight.to(torch.promote_types(weight.dtype, torch.float32))
            columns = columns_of(wide, self.rows)
            matrix = as_matrix(wide, self.rows, columns)
            u, v, sigma = self._vectors(matrix.detach(), columns, self.u, self.v)
            return self.held(wide, matrix, u, v, singular_value(matrix, u, v, sigma))

    def held(self, weight: Tensor, matrix: Tensor, u: Tensor, v: Tensor, sigma: Tensor) -> Tensor:
        """Return what takes the place of a weight, given as a matrix too, with its largest singular value."""
        return weight / sigma

    def _vectors(
        self, matrix: Tensor, columns: list[int], left: Tensor, right: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """u, v and σ of this pass; in train mode a step further, which the buffers `left` and `right` remember."""
        kept = as_matrix(right, self.rows, columns)[0]
        if not self.training:
            return left.clone(), kept.clone(), left.dot(matrix.mv(kept))
        with torch.no_grad():
            u, v, sigma = self.step(matrix, left, kept)
            left.copy_(u)
            self._write(right, columns, v)
        return u, v, sigma

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return the weight that is to be normalised: an assigned one, as it is."""
        return weight


class ClampedSpectrum(SpectralNorm):
    """W → W − max(0, σ₀ − c)·u₀v₀ᵀ: the largest singular value is held at c, the others stay. σ₀, u₀, v₀ as above.

    The vectors are constants to the gradient. Brock et al. 2019, section 4.1.
    """

    def __init__(self, weight: Tensor, rows: int, way: Way, limit: float) -> None:
        super().__init__(weight, rows, way)
        self.limit = limit

    def held(self, weight: Tensor, matrix: Tensor, u: Tensor, v: Tensor, sigma: Tensor) -> Tensor:
        order = [self.rows, *columns_of(weight, self.rows)]
        clamped = matrix - relu(sigma - self.limit_of(matrix, u, v, sigma, order[1:])) * torch.outer(u, v)
        return clamped.view([weight.shape[axis] for axis in order]).permute(
            [order.index(axis) for axis in range(weight.dim())]
        )

    def limit_of(
        self, matrix: Tensor, u: Tensor, v: Tensor, sigma: Tensor, columns: list[int]
    ) -> float | Tensor:
        """Return c, of a weight as a matrix with its largest singular value."""
        return self.limit


class ClampedRatio(ClampedSpectrum):
    """The same with c = r·σ₁, a multiple of the second singular value, a constant to the gradient.

    σ₁ is the largest singular value of W − σ₀·u₀v₀ᵀ, by a power iteration beside the first one's. Brock et al. 2019,
    section 4.1.
    """

    def __init__(self, weight: Tensor, rows: int, way: Way, limit: float) -> None:
        super().__init__(weight, rows, way, limit)
        columns = columns_of(weight, rows)
        rest = _without(as_matrix(weight, rows, columns), self.u, as_matrix(self.v, rows, columns)[0])
        # Their vectors begin at the row and the column that have most, without a random number.
        u = normalize(rest[:, rest.square().sum(0).argmax()], dim=0)
        v = normalize(rest[rest.square().sum(1).argmax()], dim=0)
        self.second_u: Tensor
        self.second_v: Tensor
        u, right = self._begun(weight, rest, columns, u, v, way.at_start)
        self.register_buffer("second_u", u)
        self.register_buffer("second_v", right)

    def limit_of(self, matrix: Tensor, u: Tensor, v: Tensor, sigma: Tensor, columns: list[int]) -> Tensor:
        rest = _without(matrix.detach(), u, v)
        return self.limit * self._vectors(rest, columns, self.second_u, self.second_v)[2].detach()


def _without(matrix: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Return W − uᵀWv·uvᵀ, which has the other singular values if u and v are the first one's vectors."""
    return matrix - u.dot(matrix.mv(v)) * torch.outer(u, v)


def clamp(network: nn.Module, limit: float | None, ratio: float | None = None) -> None:
    """Hold the largest singular values of an initialised network's convolutions and Linear layers, in place.

    At `limit`, or at `ratio` times the second one; None for both leaves the network as it is.
    """
    given = limit if ratio is None else ratio
    if given is None:
        return
    kind = ClampedSpectrum if ratio is None else ClampedRatio
    for layer in [module for module in network.modules() if isinstance(module, LAYERS)]:
        rows = output_dimension(layer)
        if ratio is not None and layer.weight.shape[rows] in (1, layer.weight.numel()):
            continue  # a single row or column has no second singular value
        held = kind(layer.weight.detach(), rows, WAYS["shared"], given)
        register_parametrization(layer, "weight", held, unsafe=True)


def is_normalised(layer: nn.Module) -> bool:
    """Whether a layer's weight is divided by its largest singular value."""
    held: Any = layer
    return is_parametrized(layer, "weight") and type(held.parametrizations.weight[0]) is SpectralNorm


def normalise(network: nn.Module, way: str = "shared") -> None:
    """Wrap every convolution and Linear layer of an initialised network in spectral norm, in place."""
    for layer in [module for module in network.modules() if isinstance(module, LAYERS)]:
        normalise_layer(layer, way)


def normalise_layer(layer: Any, way: str = "shared") -> None:
    """Wrap one initialised layer in spectral norm, in place."""
    norm = SpectralNorm(layer.weight.detach(), output_dimension(layer), WAYS[way])
    # Unchecked: the check is a pass, and would make a step.
    register_parametrization(layer, "weight", norm, unsafe=True)
