"""Rates and weights that change with the iterations, against PyTorch's schedulers; captured, plain, and resumed."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from tests.training.games import batch_of, losses_of, method_of, recipe_of
from tests.training.test_capture import Tapes
from torch.optim import lr_scheduler

from gantry.plan import Plan
from gantry.plan.blocks.schedules import Changing, Schedule
from gantry.plan.recipe import Recipe
from gantry.training import train as loop
from gantry.training.capture import CapturedStep, CudaGraphs
from gantry.training.step import Step

CPU = torch.device("cpu")
RATE = 0.02
KINDS: dict[str, tuple[dict[str, Any], Callable[[Any], Any]]] = {
    "linear": (
        {"kind": "linear", "start": 3, "end": 9, "final": 0.25},
        lambda o: lr_scheduler.SequentialLR(
            o, [lr_scheduler.ConstantLR(o, 1.0), lr_scheduler.LinearLR(o, 1.0, 0.25, 6)], [3]
        ),
    ),
    "linear to 0": (
        {"kind": "linear", "end": 10},
        lambda o: lr_scheduler.LambdaLR(o, lambda i: max(0, 1 - i / 10)),
    ),
    "cosine": ({"kind": "cosine", "end": 11}, lambda o: lr_scheduler.CosineAnnealingLR(o, 11)),
    "steps": (
        {"kind": "steps", "milestones": [2, 5, 6], "factor": 0.5},
        lambda o: lr_scheduler.MultiStepLR(o, [2, 5, 6], 0.5),
    ),
    "every": ({"kind": "steps", "every": 4, "factor": 0.3}, lambda o: lr_scheduler.StepLR(o, 4, 0.3)),
    "switch": (
        {"kind": "switch", "start": 5, "before": 0.1, "after": 2.0},
        lambda o: lr_scheduler.LambdaLR(o, lambda i: 0.1 if i < 5 else 2.0),
    ),
    "constant": ({"kind": "constant"}, lambda o: lr_scheduler.ConstantLR(o, 1.0)),
}


def schedule_of(told: dict[str, Any]) -> Changing:
    found: Changing = TypeAdapter(Schedule).validate_python(told)
    return found


@pytest.mark.parametrize("name", KINDS)
def test_the_rate_of_every_iteration_is_pytorchs(name: str) -> None:
    told, make = KINDS[name]
    theirs = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=RATE)
    scheduler = make(theirs)
    for iteration in range(12 if "end" not in told else told["end"] + 1):
        assert RATE * schedule_of(told).at(iteration) == pytest.approx(
            theirs.param_groups[0]["lr"], abs=1e-12
        )
        theirs.step()
        scheduler.step()


def test_after_the_end_nothing_changes() -> None:
    assert schedule_of({"kind": "linear", "end": 10, "final": 0.5}).at(10**6) == 0.5
    assert schedule_of({"kind": "cosine", "end": 10}).at(10**6) == 0


def scheduled(optimiser: dict[str, Any], **more: Any) -> Recipe:
    terms = {
        "feature_matching": 2.0,
        "gradient_penalty": 1.0,
        "schedules": {
            "feature_matching": {"kind": "linear", "end": 8},
            "gradient_penalty": {"kind": "switch", "start": 3},
        },
    }
    return recipe_of({"optimiser": optimiser, "terms": terms, "batch_multiples": {"generator": 2}} | more)


def run(step: Step, iterations: int) -> list[float]:
    torch.manual_seed(1)
    found = []
    for iteration in range(iterations):
        step.begin(iteration)
        for name, phase in step.phases.items():
            size = step.size(phase)
            real = torch.rand(size, 2, device=step.device) * 2 - 1
            found.append(step.update(name, batch_of(real, step.method.draw(name, size, step.device))).item())
    return found


@pytest.mark.parametrize("name", ["adam", "oadam", "sgd"])
def test_a_graph_reads_the_rate_and_the_weights_of_its_iteration(name: str) -> None:
    """But for RMSprop, whose rate PyTorch reads on the host where the device is a CPU; see the GPU's test."""
    check_captured(name, CPU, Tapes())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device for PyTorch")
@pytest.mark.parametrize("name", ["adam", "oadam", "sgd", "rmsprop"])
def test_a_cuda_graph_reads_the_rate_and_the_weights_of_its_iteration(name: str) -> None:
    device = torch.device("cuda", 0)
    check_captured(name, device, CudaGraphs(device))


def check_captured(name: str, device: torch.device, graphs: Any) -> None:
    # Adam makes whole steps of gradients that are 0 but for rounding: rates are low enough for the tolerances.
    recipe = scheduled({"name": name, "schedule": {"kind": "cosine", "end": 8}})
    ends = []
    for make in (Step, lambda *given: CapturedStep(*given, graphs)):
        torch.manual_seed(0)
        step = make(method_of(recipe, (2,)).to(device).train(), recipe, device)
        losses = run(step, 6)
        ends.append(
            (step.backend, losses, [parameter.detach().clone() for parameter in step.method.parameters()])
        )
    (_, expected, weights), (backend, found, ours) = ends
    assert backend == "captured"
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)
    for mine, theirs in zip(ours, weights, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["adam", "sgd", "rmsprop"])
def test_scheduled_steps_with_decay_are_pytorchs_own(name: str) -> None:
    """Of the generators, with weight decay, against torch's optimiser and scheduler on the same gradients."""
    told = {"name": name, "weight_decay": 0.1, "lr_g": RATE, "schedule": KINDS["linear"][0]}
    recipe = recipe_of({"optimiser": told, "terms": {}})
    torch.manual_seed(0)
    method = method_of(recipe, (2,)).train()
    step = Step(method, recipe, CPU)
    plain = [torch.nn.Parameter(parameter.detach().clone()) for parameter in method.generators.parameters()]
    makes: dict[str, Callable[[], torch.optim.Optimizer]] = {
        "adam": lambda: torch.optim.Adam(plain, RATE, betas=(0.5, 0.9), weight_decay=0.1),
        "sgd": lambda: torch.optim.SGD(plain, RATE, weight_decay=0.1),
        "rmsprop": lambda: torch.optim.RMSprop(plain, RATE, weight_decay=0.1),
    }
    theirs = makes[name]()
    scheduler = KINDS["linear"][1](theirs)
    for iteration in range(12):
        step.begin(iteration)
        step.update("generator", batch_of(torch.randn(8, 2), method.draw("generator", 8, CPU)))
        for ours, other in zip(method.generators.parameters(), plain, strict=True):
            other.grad = ours.grad
        theirs.step()
        scheduler.step()
        for ours, other in zip(method.generators.parameters(), plain, strict=True):
            torch.testing.assert_close(ours, other, rtol=1e-5, atol=1e-6)


def test_a_terms_weight_follows_its_schedule() -> None:
    recipe = scheduled({})
    torch.manual_seed(0)
    method = method_of(recipe, (2,)).eval()
    batch = batch_of(torch.randn(8, 2), method.draw("generator", 8, CPU))

    def losses(iteration: int) -> list[float]:
        method.begin(iteration, CPU)
        return [loss.item() for loss in losses_of(method, batch)]

    torch.manual_seed(2)
    without = method_of(recipe_of({"terms": {}}), (2,)).eval()
    without.load_state_dict(method.state_dict())
    plain = [loss.item() for loss in losses_of(without, batch)]
    assert losses(0)[0] == pytest.approx(plain[0], rel=1e-6) and losses(3)[0] > plain[0] + 1e-3
    whole, half, none = (losses(iteration)[1] - plain[1] for iteration in (0, 4, 8))
    assert whole > 1e-6 and half == pytest.approx(whole / 2, rel=1e-3) and none == pytest.approx(0, abs=1e-6)
    assert not any("share" in name for name in method.state_dict())


@pytest.mark.parametrize("captured", [False, True])
def test_a_scheduled_run_that_is_stopped_ends_in_the_same_bits(
    captured: bool, lab: Any, tools: Any, stop_at: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    if captured:
        monkeypatch.setattr(
            loop,
            "build_step",
            lambda method, recipe, device, *_: CapturedStep(method, recipe, device, Tapes()),
        )
    recipe = tools.bcgan | {
        "optimiser": {"schedule": {"kind": "linear", "start": 2, "end": 12}, "weight_decay": 1e-3},
        "terms": {"sample_spread": 0.1, "schedules": {"sample_spread": {"kind": "cosine", "end": 12}}},
        "batch_multiples": {"generator": 2},
    }
    whole = tools.outcome(lab.train("whole", 12, recipe))
    stop_at(2, 7)
    assert lab.train_through("stopped", 12, recipe) == 2
    assert tools.outcome(lab.root("stopped")) == whole
    # Each iteration draws 16 and 32 of the 400 points: 1.44 epochs in 12.
    assert whole["state"]["batches"]["epoch"] == 1
    assert whole["state"]["batches"]["position"] == 12 * 48 - 400
    # The rate of the last iteration, counted as 11.
    (group,) = whole["state"]["optimiser_g"]["param_groups"]
    if not captured:
        assert math.isclose(group["lr"], 2e-4 / 10)


def test_an_end_that_is_not_given_is_the_runs_own(repository: Any) -> None:
    from gantry.plan import load_plan

    def plan(**config: Any) -> Plan:
        return load_plan({"scale": "paper", "papers": ["edgan"]} | config, repository)

    recipe = plan().recipes["sngan"]
    assert recipe.optimiser.schedule is not None and recipe.batch_multiples == {"generator": 2}
    workload = plan().workloads[recipe.workload]
    told = recipe.model_dump(mode="json", exclude={"workload"}, exclude_defaults=True)
    assert told["optimiser"]["schedule"] == {"kind": "linear", "end": workload.iterations}
    shorter = plan(
        workloads={recipe.workload: {"iterations": 2 * workload.checkpoint_every, "snapshots": []}}
    )
    (schedule,) = [shorter.recipes["sngan"].optimiser.schedule]
    assert schedule is not None and schedule.at(workload.checkpoint_every) == 0.5


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"optimiser": {"schedule": {"kind": "linear", "start": 5, "end": 5}}}, "end 5 is not after start 5"),
        ({"optimiser": {"schedule": {"kind": "steps"}}}, "give either milestones"),
        ({"optimiser": {"name": "oadam", "weight_decay": 0.1}}, "weight_decay: oadam has no such option"),
        (
            {"optimiser": {"schedules": {"critic": {"kind": "constant"}}}},
            "schedules.critic: method adversarial has no",
        ),
        ({"terms": {"schedules": {"pulling_away": {"kind": "constant"}}}}, "give pulling_away its weight"),
        ({"batch_multiples": {"generators": 2}}, "it has discriminator, generator"),
        ({"optimiser": {"lr": {"encoder": 0.1}}}, "optimiser.lr.encoder: method adversarial has no phase"),
    ],
)
def test_what_means_nothing_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        recipe_of(wrong)
