"""Objectives beside their equations, and spectral norm beside PyTorch's two."""

import copy
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from tests.fidelity.checks import Figure, check
from tests.report.equation_cases import OBJECTIVE_BLOCKS
from tests.report.test_equations_computed import both_sides
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.nn.utils import spectral_norm as older

from gantry.networks.spectral import normalise_layer


@check("losses of every objective beside the equations of the handbook, computed by NumPy")
def losses() -> Iterator[Figure]:
    apart = {
        abs(expected - found) / max(abs(found), 1e-12)
        for block in OBJECTIVE_BLOCKS
        for expected, found in both_sides(block).values()
    }
    yield Figure(f"largest relative difference, {len(OBJECTIVE_BLOCKS)} objectives", max(apart), 1e-6)


@check("spectral norm in float32, a convolution of 64 × 32 × 4 × 4, after 10 passes")
def spectral_norm() -> Iterator[Figure]:
    for way, theirs in (("shared", parametrizations.spectral_norm), ("per_batch", older)):
        torch.manual_seed(0)
        ours = nn.Conv2d(32, 64, 4, bias=False)
        other = copy.deepcopy(ours)
        images, towards = torch.randn(2, 32, 8, 8), torch.randn(2, 64, 5, 5)
        for layer, wrap in ((ours, partial(normalise_layer, way=way)), (other, theirs)):
            torch.manual_seed(1)
            wrap(layer)
        ours.to(memory_format=torch.channels_last)
        for _ in range(10):
            outputs = ours(images), other(images)
        slopes = [
            _slope(layer, output, towards) for layer, output in zip((ours, other), outputs, strict=True)
        ]
        yield Figure(f"{way}: outputs, relative", _relative(*outputs), 1e-5)
        yield Figure(f"{way}: gradients, relative", _relative(*slopes), 1e-5)


def _slope(layer: Any, outputs: Tensor, towards: Tensor) -> Tensor:
    original = layer.weight_orig if hasattr(layer, "weight_orig") else layer.parametrizations.weight.original
    (slope,) = torch.autograd.grad((outputs.sin() * towards).sum(), original)
    return slope


def _relative(found: Tensor, expected: Tensor) -> float:
    return ((found - expected).abs().max() / expected.abs().max()).item()
