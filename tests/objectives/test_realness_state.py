"""When anchors are drawn, and that they survive a restart."""

import pytest
import torch

from gantry.objectives import build_objective
from gantry.plan.blocks.objectives import RealnessObjective, StandardObjective


def realness(**options):
    return build_objective(RealnessObjective(name="realness", atoms=9, **options))


def test_anchors_change_with_every_redraw_in_place() -> None:
    objective = realness()
    objective.redraw("cpu")
    tensor, before = objective.anchors.real, objective.anchors.real.clone()
    objective.redraw("cpu")
    assert objective.anchors.real is tensor  # a captured graph reads this memory
    assert not torch.equal(tensor, before)


def test_kept_anchors_do_not_change_and_draw_nothing() -> None:
    objective = realness(redraw_anchors=False)
    objective.redraw("cpu")
    before, random = objective.state_dict(), torch.get_rng_state()
    objective.redraw("cpu")
    assert all(torch.equal(before[name], anchor) for name, anchor in objective.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())


def test_kept_anchors_survive_a_restart() -> None:
    first = realness(redraw_anchors=False)
    first.redraw("cpu")
    second = realness(redraw_anchors=False)
    second.load_state_dict(first.state_dict())
    second.redraw("cpu")
    assert torch.equal(second.anchors.real, first.anchors.real)
    assert torch.equal(second.anchors.fake, first.anchors.fake)


def test_state_is_a_copy() -> None:
    objective = realness()
    objective.redraw("cpu")
    state = objective.state_dict()
    before = state["real"].clone()
    objective.redraw("cpu")
    assert torch.equal(state["real"], before)


def test_a_restart_continues_with_the_same_anchors() -> None:
    torch.manual_seed(0)
    uninterrupted = realness()
    uninterrupted.redraw("cpu")
    random, state = torch.get_rng_state(), uninterrupted.state_dict()
    uninterrupted.redraw("cpu")
    resumed = realness()
    resumed.load_state_dict(state)
    torch.set_rng_state(random)
    resumed.redraw("cpu")
    assert torch.equal(resumed.anchors.real, uninterrupted.anchors.real)
    assert torch.equal(resumed.anchors.fake, uninterrupted.anchors.fake)


def test_state_before_the_first_redraw_is_empty_and_loads() -> None:
    assert realness().state_dict() == {}
    objective = realness()
    objective.load_state_dict({})
    with pytest.raises(RuntimeError, match="redraw"):
        _ = objective.anchors


def test_another_objectives_state_is_refused() -> None:
    with pytest.raises(ValueError, match="9 atoms"):
        realness().load_state_dict({"real": torch.ones(5), "fake": torch.ones(5)})
    with pytest.raises(ValueError, match="keeps no state"):
        build_objective(StandardObjective(name="minimax")).load_state_dict({"real": torch.ones(5)})
