"""A small game on points, for the tests of methods that are no translators."""

from typing import Any

import numpy as np
import torch

from gantry.methods import Batch

CPU = torch.device("cpu")
BASE: dict[str, Any] = {
    "workload": "",
    "networks": {"family": "mlp", "width": 16, "depth": 2},
    "objective": {"name": "non_saturating"},
    "latent": {"dimension": 4},
    "batch_size": 8,
}


def batch_for(method: Any, phase: str = "generator") -> Batch:
    """Eight points, and what the method draws for a phase."""
    torch.manual_seed(1)
    return Batch({"x": torch.randn(8, 2)}, None, method.draw(phase, 8, CPU))


def softplus(x: torch.Tensor) -> float:
    """The mean of ln(1 + eˣ), by NumPy."""
    return float(np.logaddexp(0, x.detach().double().numpy()).mean())
