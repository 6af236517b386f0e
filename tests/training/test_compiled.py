"""Compiled networks end in the losses of plain ones, and give way where a gradient of a gradient is wanted."""

import os
import shutil
from typing import Any

import pytest
import torch

from gantry.data.shape import DataShape
from gantry.methods import Batch, build_method
from gantry.plan.recipe import Recipe
from gantry.system.switches import variable
from gantry.training import compiled
from gantry.training.capture import build_step
from gantry.training.step import Step

CPU = torch.device("cpu")
RECIPES: dict[str, dict[str, Any]] = {
    "BCGAN on images": {
        "networks": {"family": "dcgan", "width": 2},
        "objective": {"name": "realness", "atoms": 5},
        "generators": 2,
        "terms": {"logit_agreement": 1.0, "sample_spread": 0.1},
    },
    "projection on classes, averaged": {
        "ema": 0.9,
        "networks": {"family": "dcgan", "width": 2, "head": "linear"},
        "objective": {"name": "hinge"},
        "method": {"name": "conditional", "discriminator": "projection"},
    },
    "WGAN-GP": {
        "networks": {"family": "dcgan", "width": 2},
        "objective": {"name": "wasserstein"},
        "terms": {"gradient_penalty": 10.0},
    },
}


def trained(told: dict[str, Any], iterations: int = 2) -> tuple[Step, list[float]]:
    """Take some iterations on standing data; the step, and its losses."""
    recipe = Recipe.model_validate({"workload": "", "batch_size": 4} | told)
    torch.manual_seed(0)
    method = build_method(recipe, DataShape((3, 32, 32), classes=3)).train()
    step = build_step(method, recipe, CPU)
    labels = torch.tensor([0, 1, 2, 0]) if "method" in told else None
    losses = []
    for iteration in range(iterations):
        step.begin(iteration)
        for name, phase in step.phases.items():
            real = torch.rand(4, 3, 32, 32) * 2 - 1
            batch = Batch({"x": real}, labels).with_noise(method.draw(phase.name, 4, CPU))
            losses.append(float(step.update(name, batch)))
    return step, losses


@pytest.fixture
def switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The switch, with the compiler that only traces: what inductor makes of the trace is PyTorch's business."""
    monkeypatch.setenv(variable("compile"), "1")
    monkeypatch.setattr(compiled, "BACKEND", "aot_eager")


def test_losses_and_weights_are_those_of_plain_networks(
    switched_on: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = RECIPES["projection on classes, averaged"]
    fast, losses = trained(told)
    assert fast.compiled == "compiled" and fast.how == "plain (a CPU captures nothing), compiled"
    monkeypatch.delenv(variable("compile"))
    plain, expected = trained(told)
    assert plain.compiled == "" and plain.how == "plain (a CPU captures nothing)"
    assert losses == pytest.approx(expected, rel=1e-4)
    states = fast.method.state_dict(), plain.method.state_dict()
    assert states[0].keys() == states[1].keys(), "checkpoints and states keep their names"
    for key, value in states[1].items():
        torch.testing.assert_close(states[0][key], value, rtol=1e-3, atol=1e-4)


def test_a_gradient_penalty_is_trained_plain_to_the_same_bits(
    switched_on: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fast, losses = trained(RECIPES["WGAN-GP"])
    assert fast.compiled.startswith("not compiled (RuntimeError: ")
    assert "training goes on without" in capsys.readouterr().err
    monkeypatch.delenv(variable("compile"))
    plain, expected = trained(RECIPES["WGAN-GP"])
    assert losses == expected
    for key, value in plain.method.state_dict().items():
        assert torch.equal(fast.method.state_dict()[key], value), key


def test_every_network_is_compiled_once_and_terms_are_not() -> None:
    recipe = Recipe.model_validate({"workload": ""} | RECIPES["BCGAN on images"])
    method = build_method(recipe, DataShape((3, 32, 32)))
    found = list(compiled.networks_of(method))
    assert found == [method.discriminator, *method.generators]  # type: ignore[misc]


@pytest.mark.skipif(
    "GANTRY_INDUCTOR" not in os.environ or shutil.which("g++") is None,
    reason="inductor's own kernels take a minute and a C++ compiler: set GANTRY_INDUCTOR=1",
)
def test_inductor_itself_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    mlp = {"family": "mlp", "width": 8, "depth": 1, "maxout_units": 8, "maxout_pieces": 2, "maxout_depth": 1}
    told = {"networks": mlp, "objective": {"name": "non_saturating"}, "batch_size": 8}
    recipe = Recipe.model_validate({"workload": ""} | told)

    def losses() -> tuple[str, list[float]]:
        torch.manual_seed(0)
        method = build_method(recipe, DataShape((2,))).train()
        step = build_step(method, recipe, CPU)
        found = []
        for _ in range(2):
            for name in step.phases:
                batch = Batch({"x": torch.randn(8, 2)}, None).with_noise(method.draw(name, 8, CPU))
                found.append(float(step.update(name, batch)))
        return step.compiled, found

    _, expected = losses()
    monkeypatch.setenv(variable("compile"), "1")
    how, found = losses()
    assert how == "compiled"
    assert found == pytest.approx(expected, rel=1e-4)
