"""Runs of growing networks: interrupted around fades, and sampled at every stage."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.methods.test_growing import RECIPE, method_of
from tests.methods.test_lapgan import RECIPE as LAPGAN
from tests.methods.test_singan import RECIPE as SINGAN
from tests.training.test_capture import Tapes

from gantry.plan.recipe import Recipe
from gantry.training import train as loop
from gantry.training.capture import CapturedStep

STYLES = RECIPE | {
    "networks": {"family": "stylegan", "width": 4, "base": 64, "group": 2, "mapping_depth": 2},
    "objective": {"name": "non_saturating"},
    "terms": {"gradient_penalty": {"weight": 10, "center": 0, "points": "real", "halved": True}},
}


LEVELS = {key: value for key, value in LAPGAN.items() if key != "workload"} | {"ema": 0.9}
# A scale begins with the iterations 0, 5 and 10, and its rates drop with 4 and 9.
SCALES = {key: value for key, value in SINGAN.items() if key != "workload"}


# Stage II begins with iteration 5.
STACKED = {
    "method": {"name": "stackgan", "first": 5, "augmentation": 3, "width": 4},
    "networks": {"family": "stackgan", "width": 2, "smallest": 8},
    "objective": {"name": "non_saturating"},
    "latent": {"dimension": 4},
    "batch_size": 4,
    "ema": 0.9,
}


def taped(method: Any, recipe: Recipe, device: Any, stage: Any, before: Any) -> CapturedStep:
    return CapturedStep(method, recipe, device, Tapes(), stage, before)


@pytest.mark.parametrize("captured", [False, True])
def test_killed_before_inside_and_at_the_borders_of_a_fade_it_ends_in_the_same_bits(
    image_lab: Any,
    tools: Any,
    stop_at: Callable[..., None],
    captured: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The fade begins with the 4th iteration and ends with the 7th: stopped before, at, inside, and at its end."""
    if captured:
        monkeypatch.setattr(loop, "build_step", taped)
    whole = tools.outcome(image_lab.train("whole", 12, RECIPE))
    stop_at(2, 3, 4, 5, 7, 8)
    assert image_lab.train_through("stopped", 12, RECIPE) == 6
    assert tools.outcome(image_lab.root("stopped")) == whole
    if captured:
        record = json.loads((image_lab.root("whole") / "record-12.json").read_text())
        assert record["provenance"]["step"] == "captured"


@pytest.mark.parametrize(
    "recipe", [STYLES, LEVELS, SCALES, STACKED], ids=["styles", "levels", "scales", "two stages"]
)
def test_styles_levels_and_scales_end_in_the_same_bits_too(
    image_lab: Any, tools: Any, stop_at: Callable[..., None], recipe: dict[str, Any]
) -> None:
    whole = tools.outcome(image_lab.train("whole", 12, recipe))
    stop_at(3, 5, 6, 10)
    assert image_lab.train_through("stopped", 12, recipe) == 4
    assert tools.outcome(image_lab.root("stopped")) == whole


def test_styles_are_captured(image_lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "build_step", taped)
    root = image_lab.train("captured", 12, STYLES | {"ema": 0.0})
    record = json.loads((root / "record-12.json").read_text())
    assert record["provenance"]["step"] == "captured"
    assert [stage["size"] for stage in record["provenance"]["stages"]] == [16, 32, 32]


def test_checkpoints_of_every_stage_give_images_of_the_datas_size(image_lab: Any) -> None:
    image_lab.every = 1
    root = image_lab.train("grown", 8, RECIPE)
    sides = {}
    for path in sorted(root.rglob("*.safetensors")):
        method = method_of()
        kept = method.kept
        kept.load_state_dict(load_file(path))
        sampler = method.sampler(kept.eval())
        z = torch.randn(3, 4)
        images = sampler.sample("G1", {"z": z})
        assert images.shape == (3, 3, 32, 32)
        squares = images.detach().reshape(3, 3, 16, 2, 16, 2)
        sides[int(path.stem)] = 16 if squares.std(dim=(3, 5)).max() < 1e-6 else 32
    assert sides == {1: 16, 2: 16, 3: 16, 4: 16, 5: 32, 6: 32, 7: 32, 8: 32}, "at α = 0 nothing is new yet"
