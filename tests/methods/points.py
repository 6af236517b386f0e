"""A small game on points, for the tests of methods that are no translators."""

from typing import Any

import torch

CPU = torch.device("cpu")
BASE: dict[str, Any] = {
    "workload": "",
    "networks": {"family": "mlp", "width": 16, "depth": 2},
    "objective": {"name": "non_saturating"},
    "latent": {"dimension": 4},
    "batch_size": 8,
}
