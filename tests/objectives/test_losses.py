"""Each loss against an independent computation: NumPy, float64, sample by sample."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gantry.objectives import build_objective
from gantry.plan.blocks.objectives import RealnessObjective, StandardObjective

LOGITS = st.floats(-20, 20)


@st.composite
def outputs(draw, atoms: int | None = None) -> tuple[np.ndarray, list[np.ndarray]]:
    """D's raw outputs for a real batch and for one to three generated ones."""
    width = draw(st.integers(2, 7)) if atoms is None else atoms
    shape = (draw(st.integers(1, 5)), width)
    return draw(arrays(float, shape, elements=LOGITS)), draw(
        st.lists(arrays(float, shape, elements=LOGITS), min_size=1, max_size=3)
    )


def tensors(batches: list[np.ndarray]) -> list[torch.Tensor]:
    return [torch.from_numpy(batch) for batch in batches]


def sigmoid(logit: float) -> float:
    return 1 / (1 + np.exp(-logit))


@given(outputs(atoms=1))
@settings(max_examples=50, deadline=None)
def test_standard_objectives(batches) -> None:
    real, fakes = batches
    expected_d = -np.mean([np.log(sigmoid(logit)) for logit in real[:, 0]])
    expected_d -= sum(np.mean([np.log(sigmoid(-logit)) for logit in fake[:, 0]]) for fake in fakes)
    expected_g = {
        "minimax": sum(np.mean([np.log(sigmoid(-logit)) for logit in fake[:, 0]]) for fake in fakes),
        "non_saturating": -sum(np.mean([np.log(sigmoid(logit)) for logit in fake[:, 0]]) for fake in fakes),
    }
    for name in ("minimax", "non_saturating"):
        objective = build_objective(StandardObjective(name=name))
        assert (objective.outputs, objective.generator_uses_real) == (1, False)
        loss_d = objective.discriminator_loss(torch.from_numpy(real), tensors(fakes))
        assert loss_d.item() == pytest.approx(expected_d, rel=1e-6)
        loss_g = objective.generator_loss(None, tensors(fakes))
        assert loss_g.item() == pytest.approx(expected_g[name], rel=1e-6)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def kl(target: np.ndarray, logits: np.ndarray) -> float:
    verdict = softmax(logits)
    return sum(a * np.log(a / d) for a, d in zip(target, verdict, strict=True) if a > 0)


def cross_entropy(target: np.ndarray, logits: np.ndarray) -> float:
    return -sum(a * np.log(d + 1e-16) for a, d in zip(target, softmax(logits), strict=True))


@pytest.mark.parametrize(
    ("formulation", "shifted", "relativistic"),
    list(product(["paper", "reference"], [None, False, True], [None, False, True])),
)
@given(batches=outputs(), seed=st.integers(0, 10_000))
@settings(max_examples=12, deadline=None)
def test_realness(formulation, shifted, relativistic, batches, seed) -> None:
    real, fakes = batches
    block = RealnessObjective(
        name="realness",
        atoms=real.shape[1],
        formulation=formulation,
        shifted_anchors=shifted,
        relativistic=relativistic,
    )
    objective = build_objective(block)
    torch.manual_seed(seed)
    objective.redraw("cpu")
    exact = {name: anchor.double() for name, anchor in objective.state_dict().items()}
    objective.load_state_dict(exact)  # float64 throughout, so that the comparison can be strict
    anchors = {name: anchor.numpy() for name, anchor in exact.items()}

    distance = {"paper": kl, "reference": cross_entropy}[formulation]
    is_relativistic = formulation == "reference" if relativistic is None else relativistic
    assert objective.outputs == real.shape[1]
    assert objective.generator_uses_real is is_relativistic

    expected_d = np.mean([distance(anchors["real"], row) for row in real])
    expected_d += sum(np.mean([distance(anchors["fake"], row) for row in fake]) for fake in fakes)
    loss_d = objective.discriminator_loss(torch.from_numpy(real), tensors(fakes))
    assert loss_d.item() == pytest.approx(expected_d, rel=1e-9, abs=1e-9)

    expected_g = 0.0
    for fake in fakes:
        targets = [softmax(row) if is_relativistic else anchors["real"] for row in real]
        pulls = [distance(target, row) for target, row in zip(targets, fake, strict=True)]
        pushes = [distance(anchors["fake"], row) for row in fake]
        expected_g += np.mean(pulls) - np.mean(pushes)
    loss_g = objective.generator_loss(torch.from_numpy(real), tensors(fakes))
    assert loss_g.item() == pytest.approx(expected_g, rel=1e-9, abs=1e-9)


def test_the_relativistic_target_is_constant() -> None:
    objective = build_objective(RealnessObjective(name="realness", atoms=5))
    objective.redraw("cpu")
    real, fake = torch.randn(4, 5, requires_grad=True), torch.randn(4, 5, requires_grad=True)
    objective.generator_loss(real, [fake]).backward()
    assert real.grad is None
    assert fake.grad.abs().sum() > 0


def test_the_relativistic_loss_asks_for_a_real_batch() -> None:
    objective = build_objective(RealnessObjective(name="realness", atoms=5))
    objective.redraw("cpu")
    with pytest.raises(ValueError, match="real batch"):
        objective.generator_loss(None, [torch.zeros(2, 5)])


@pytest.mark.parametrize("name", ["minimax", "non_saturating", "realness"])
@pytest.mark.parametrize("size", [0.0, 1e4])
def test_losses_and_gradients_stay_finite_for_extreme_logits(name: str, size: float) -> None:
    block = (
        RealnessObjective(name="realness", atoms=3) if name == "realness" else StandardObjective(name=name)
    )
    objective = build_objective(block)
    objective.redraw("cpu")
    real = size * torch.tensor([[1.0, -1, 1], [-1, 1, -1]])[:, : objective.outputs]
    fake = (-real).requires_grad_()
    for loss in (objective.discriminator_loss(real, [fake]), objective.generator_loss(real, [fake])):
        (gradient,) = torch.autograd.grad(loss, fake)
        assert loss.isfinite()
        assert gradient.isfinite().all()
