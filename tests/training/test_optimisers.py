"""The optimisers: optimistic Adam against its published rule, options where they belong, resumption."""

import copy
import io
from typing import Any, get_args

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from gantry.plan.blocks.players import OPTIMISER_OPTIONS, Optimiser
from gantry.training.optimisers import OPTIMISERS, OptimisticAdam, build_optimiser, load_optimizer_state


def published(weights: list[np.ndarray], gradients: list[list[np.ndarray]], lr: float, betas: Any) -> Any:
    """Daskalakis et al. 2018, algorithm 1, one weight after the other."""
    moved = []
    for weight, slopes in zip(weights, zip(*gradients, strict=True), strict=True):
        theta, m, v, before = weight.copy(), 0.0, 0.0, 0.0
        for t, g in enumerate(slopes, start=1):
            m = betas[0] * m + (1 - betas[0]) * g
            v = betas[1] * v + (1 - betas[1]) * g**2
            now = (m / (1 - betas[0] ** t)) / (np.sqrt(v / (1 - betas[1] ** t)) + 1e-8)
            theta = theta - 2 * lr * now + lr * before
            before = now
        moved.append(theta)
    return moved


@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("betas", [(0.5, 0.9), (0.0, 0.999)])
def test_optimistic_adam_is_the_published_rule(steps: int, betas: tuple[float, float]) -> None:
    random = np.random.default_rng(steps)
    shapes = [(3, 4), (5,), ()]
    start = [np.asarray(random.normal(size=shape)) for shape in shapes]
    slopes = [[np.asarray(random.normal(size=shape)) for shape in shapes] for _ in range(steps)]
    weights = [nn.Parameter(torch.tensor(number)) for number in start]
    optimiser = OptimisticAdam(weights, lr=0.1, betas=betas)
    for gradient in slopes:
        for weight, slope in zip(weights, gradient, strict=True):
            weight.grad = torch.tensor(slope)
        optimiser.step()
    for weight, expected in zip(weights, published(start, slopes, 0.1, betas), strict=True):
        np.testing.assert_allclose(weight.detach().numpy(), expected, rtol=1e-12)


def distance_from_equilibrium(make: Any, updates: int = 2000) -> float:
    """√(x² + y²) of min_x max_y xy after as many updates of both, from (1, ½)."""
    x, y = (torch.tensor(start, dtype=torch.float64, requires_grad=True) for start in (1.0, 0.5))
    minimiser, maximiser = make([x]), make([y])
    for _ in range(updates):
        x.grad, y.grad = y.detach().clone(), -x.detach()
        minimiser.step()
        maximiser.step()
    return (x**2 + y**2).sqrt().item()


def test_optimism_reaches_the_equilibrium_of_the_bilinear_game_and_adam_does_not() -> None:
    options = {"lr": 0.03, "betas": (0.0, 0.999)}
    assert distance_from_equilibrium(lambda weights: OptimisticAdam(weights, **options)) < 1e-3
    assert distance_from_equilibrium(lambda weights: torch.optim.Adam(weights, **options)) > 1


def test_with_half_the_momentum_optimism_takes_the_momentum_back() -> None:
    """2m_t − m_{t−1} = g_t at β₁ = ½: past the bias correction, the steps are those of Adam with β₁ = 0."""
    torch.manual_seed(0)
    optimistic, plain = (nn.Parameter(torch.zeros(50, dtype=torch.float64)) for _ in range(2))
    first = OptimisticAdam([optimistic], lr=0.1, betas=(0.5, 0.9999999))
    second = torch.optim.Adam([plain], lr=0.1, betas=(0.0, 0.9999999))
    for t in range(60):
        before = optimistic.detach() - plain.detach()
        optimistic.grad = plain.grad = torch.randn(50, dtype=torch.float64).sign()  # so that v̂ stays 1
        first.step()
        second.step()
        if t > 45:
            torch.testing.assert_close(optimistic - plain, before, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_resumed_optimiser_goes_on_as_if_never_stopped(name: str) -> None:
    torch.manual_seed(0)
    options = {"momentum": 0.9} if "momentum" in OPTIMISER_OPTIONS[name] else {}
    block = Optimiser(name=name, **options)
    gradients = [[torch.randn(4, 3), torch.randn(2)] for _ in range(6)]

    def advance(weights: list[nn.Parameter], optimiser: Any, slopes: list[list[Tensor]]) -> None:
        for gradient in slopes:
            for weight, slope in zip(weights, gradient, strict=True):
                weight.grad = slope.clone()
            optimiser.step()

    straight = [nn.Parameter(torch.ones(4, 3)), nn.Parameter(torch.ones(2))]
    whole = build_optimiser(block, straight, 0.01)
    advance(straight, whole, gradients[:3])
    resumed = [nn.Parameter(weight.detach().clone()) for weight in straight]
    other = build_optimiser(block, resumed, 0.01)
    stored = io.BytesIO()
    torch.save(whole.state_dict(), stored)
    stored.seek(0)
    other.load_state_dict(torch.load(stored, weights_only=True))
    advance(straight, whole, gradients[3:])
    advance(resumed, other, gradients[3:])
    for one, two in zip(straight, resumed, strict=True):
        assert torch.equal(one, two)
        assert not torch.equal(one, torch.ones_like(one))


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_state_saved_with_weights_in_another_order_of_memory_fits(name: str) -> None:
    """Fused updates go by memory, not by strides: moments in another order would meet other weights."""
    orders = (torch.contiguous_format, torch.channels_last)
    torch.manual_seed(0)
    start, slopes = torch.randn(4, 3, 2, 2), torch.randn(4, 4, 3, 2, 2)
    options = {"momentum": 0.9} if "momentum" in OPTIMISER_OPTIONS[name] else {}
    ends = []
    for before, after in ((orders[0], orders[0]), orders, orders[::-1]):
        weight = nn.Parameter(start.clone(memory_format=before))
        optimiser = build_optimiser(Optimiser(name=name, **options), [weight], 0.01)
        for slope in slopes[:2]:
            weight.grad = slope.clone(memory_format=before)
            optimiser.step()
        resumed = nn.Parameter(weight.detach().clone(memory_format=after))
        again = build_optimiser(Optimiser(name=name, **options), [resumed], 0.01)
        load_optimizer_state(again, copy.deepcopy(optimiser.state_dict()))
        for slope in slopes[2:]:
            resumed.grad = slope.clone(memory_format=after)
            again.step()
        ends.append(resumed.detach())
    for end in ends[1:]:
        torch.testing.assert_close(end, ends[0], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["adam", "rmsprop"])
def test_a_state_saved_where_graphs_ran_goes_on_where_none_can(name: str) -> None:
    weight = nn.Parameter(torch.ones(2))
    optimiser = build_optimiser(Optimiser(name=name), [weight], 0.01)
    weight.grad = torch.ones(2)
    optimiser.step()
    state = copy.deepcopy(optimiser.state_dict())
    state["param_groups"][0]["capturable"] = True
    load_optimizer_state(optimiser, state)
    assert optimiser.param_groups[0]["capturable"] is False
    optimiser.step()  # with the flag, RMSProp refuses to run on a CPU


def test_old_states_of_optimistic_adam_count_in_plain_numbers() -> None:
    weight = nn.Parameter(torch.ones(2))
    optimiser = OptimisticAdam([weight], lr=0.1, betas=(0.5, 0.9))
    state = optimiser.state_dict()
    state["param_groups"][0]["updates"] = 7
    load_optimizer_state(optimiser, state)
    weight.grad = torch.ones(2)
    optimiser.step()
    # m = 0.5 and v = 0.1 after one gradient of 1 from nothing, corrected as for the eighth update.
    step = 0.5 / (1 - 0.5**8) / np.sqrt(0.1 / (1 - 0.9**8))
    np.testing.assert_allclose(weight.detach().numpy(), 1 - 0.2 * step, rtol=1e-6)
    assert int(optimiser.param_groups[0]["updates"]) == 8


def test_a_weight_without_gradient_stays() -> None:
    still, moving = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    moving.grad = torch.ones(2)
    optimiser = OptimisticAdam([still, moving], lr=0.1, betas=(0.5, 0.9))
    optimiser.step()
    assert torch.equal(still, torch.ones(2))
    torch.testing.assert_close(moving.detach(), torch.full((2,), 0.8))


def test_the_plan_and_the_registry_know_the_same_optimisers() -> None:
    names = set(get_args(Optimiser.model_fields["name"].annotation))
    assert names == set(OPTIMISERS) == set(OPTIMISER_OPTIONS)


def test_options_reach_the_optimiser() -> None:
    weight = nn.Parameter(torch.ones(2))

    def defaults(**told: Any) -> dict[str, Any]:
        return build_optimiser(Optimiser(**told), [weight], 0.3).defaults

    for name in ("adam", "oadam"):
        assert defaults(name=name, betas=(0.8, 0.95))["betas"] == (0.8, 0.95)
    assert defaults(name="sgd", momentum=0.7)["momentum"] == 0.7
    rmsprop = defaults(name="rmsprop", momentum=0.7, smoothing=0.8)
    assert (rmsprop["momentum"], rmsprop["alpha"], rmsprop["lr"]) == (0.7, 0.8, 0.3)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("sgd", {"betas": [0.5, 0.9]}),
        ("rmsprop", {"betas": [0.5, 0.9]}),
        ("adam", {"momentum": 0.9}),
        ("oadam", {"smoothing": 0.9}),
        ("sgd", {"smoothing": 0.9}),
    ],
)
def test_options_of_another_optimiser_are_refused_and_null_takes_them_back(name: str, options: Any) -> None:
    (option,) = options
    with pytest.raises(ValidationError, match=f"{option}: {name} has no such option"):
        Optimiser(name=name, **options)
    taken_back = Optimiser(name=name, **dict.fromkeys(options))
    assert taken_back == Optimiser(name=name)
    assert "lr_g" not in taken_back.model_fields_set
    with pytest.raises(ValidationError):
        Optimiser(name=name, lr_g=None)


def test_the_default_block_says_nothing_new() -> None:
    block = Optimiser(name="adam", lr_g=1e-4, betas=(0.8, 0.999))
    assert block.model_dump(exclude_defaults=True) == {"lr_g": 1e-4, "betas": (0.8, 0.999)}
