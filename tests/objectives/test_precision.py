"""Losses where D computes in bfloat16: of its outputs as they are, and in float32 from there on."""

from typing import Any

import pytest
import torch
from tests.objectives.blocks import OBJECTIVE_BLOCKS
from tests.objectives.conftest import objective_of
from tests.training.games import batch_of, method_of
from torch import Tensor

from gantry.objectives import OBJECTIVES
from gantry.plan.recipe import Recipe

REBUILT = {"ebgan", "began"}


def test_every_objective_is_here() -> None:
    assert {block["name"] for block in OBJECTIVE_BLOCKS.values()} == set(OBJECTIVES)


@pytest.mark.parametrize("block", OBJECTIVE_BLOCKS.values(), ids=OBJECTIVE_BLOCKS)
def test_losses_of_a_game_in_bfloat16(block: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    family = "mlp_autoencoder" if block["name"] in REBUILT else "mlp"
    no_discriminator = block["name"] == "gmmn"
    recipe = Recipe.model_validate(
        {
            "workload": "",
            "networks": {"family": family, "width": 8, "depth": 2},
            "objective": block,
            "latent": {"dimension": 4},
            "updates": {"discriminator": 0 if no_discriminator else 1},
        }
    )
    torch.manual_seed(0)
    method = method_of(recipe, (2,))
    method.adversary.objective.redraw("cpu")
    asked: list[tuple[str, Any, float]] = []

    def listen(verb: str) -> None:
        loss = getattr(method.adversary.objective, verb)

        def heard(real: Tensor | None, fakes: list[Tensor]) -> Tensor:
            found = loss(real, fakes)
            asked.append((verb, (real, fakes), found))
            return found

        monkeypatch.setattr(method.adversary.objective, verb, heard)

    looked_at: list[tuple[Tensor, list[Tensor]]] = []
    look = method.adversary.objective.look

    def looking(*samples: Any) -> None:
        looked_at.append(samples)
        look(*samples)

    monkeypatch.setattr(method.adversary.objective, "look", looking)
    listen("discriminator_loss")
    listen("generator_loss")
    real, noise = torch.randn(64, 2), {"z": torch.randn(64, 4)}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert method.generators[0](noise["z"]).dtype == torch.bfloat16
        if not no_discriminator:
            method.loss("discriminator", batch_of(real, noise))
        loss = method.loss("generator", batch_of(real, noise))
    assert loss.dtype == torch.float32

    # The same outputs in float64, outside of autocast.
    exact = objective_of(**block)
    exact.load_state_dict(
        {name: value.double() for name, value in method.adversary.objective.state_dict().items()}
    )
    for samples, generated in looked_at:
        exact.look(samples.double(), [fake.double() for fake in generated])
    for verb, (real_outputs, fakes), found in asked:
        assert all(
            logits.dtype == torch.float32
            for logits in (*fakes, *([] if real_outputs is None else [real_outputs]))
        )
        wide = None if real_outputs is None else real_outputs.double()
        if block["name"] == "began" and verb == "discriminator_loss":
            exact.load_state_dict({"k": torch.zeros(())})  # as it was then
        expected = getattr(exact, verb)(wide, [fake.double() for fake in fakes]).item()
        assert found.dtype == torch.float32
        assert found.item() == pytest.approx(expected, rel=2e-5, abs=2e-6)
