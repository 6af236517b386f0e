"""Small translators for the tests of methods that translate."""

from typing import Any

import numpy as np
import torch

from gantry.data.shape import DataShape
from gantry.methods import Batch, build_method
from gantry.plan.recipe import Recipe

PAIRS = DataShape((2,), input=(2,))
IMAGES = DataShape((3, 32, 32), input=(3, 32, 32))
POINTS = {"family": "mlp_translator", "width": 8, "depth": 2}
UNET = {"family": "unet", "width": 2, "patch_width": 2, "patches": 2, "dropout": False}
BASE: dict[str, Any] = {
    "workload": "",
    "networks": POINTS,
    "objective": {"name": "non_saturating"},
    "batch_size": 8,
}
PIX2PIX, CYCLEGAN = {"name": "pix2pix"}, {"name": "cyclegan"}


def method_of(method: dict[str, Any], data: DataShape = PAIRS, **more: Any) -> Any:
    torch.manual_seed(0)
    return build_method(Recipe.model_validate(BASE | {"method": method} | more), data)


def batch_for(data: DataShape = PAIRS, size: int = 8) -> Batch:
    torch.manual_seed(1)
    x, y = torch.rand(2, size, *data.sample) * 2 - 1
    return Batch({"x": y, "input": x, "x_a": x})


def labelled_batch(method: Any, data: DataShape, phase: str) -> Batch:
    torch.manual_seed(1)
    x = torch.rand(6, *data.sample) * 2 - 1
    labels = torch.arange(6) % 5 if data.classes else torch.randint(2, (6, data.attributes))
    return Batch({"x": x}, labels, method.draw(phase, 6, torch.device("cpu")))


def numpy(x: torch.Tensor) -> Any:
    return x.detach().double().numpy()


def softplus(x: torch.Tensor) -> Any:
    return np.logaddexp(0, numpy(x))
