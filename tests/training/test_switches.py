"""Switches of training: whole iterations as one recording, generators side by side, optimistic Adam fused."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from tests.training.games import DCGAN, HAND_PICKED, REALNESS, TWO, method_of, recipe_of
from tests.training.test_capture import CPU, Tapes, everything
from torch import Tensor, nn

from gantry.methods import Batch
from gantry.methods.streams import forked_and_joined, side_by_side
from gantry.plan.blocks.players import Optimiser
from gantry.plan.recipe import Recipe
from gantry.system.switches import is_on, turned_on
from gantry.training.capture import CapturedStep, WholeStep
from gantry.training.optimisers import OptimisticAdam, build_optimiser, load_optimizer_state
from gantry.training.step import Step

# ── whole iterations ──────────────────────────────────────────────────────────────────────────────────

GAMES = {
    "BCGAN, average": HAND_PICKED["BCGAN"] | {"ema": 0.9},
    "several steps of D, a gradient penalty": {
        "objective": {"name": "wasserstein"},
        "terms": {"gradient_penalty": 10.0},
        "updates": {"discriminator": 3},
        "optimiser": {"name": "oadam"},
    },
    "scheduled weight and rate": {
        "objective": REALNESS,
        "terms": {"sample_spread": 0.1, "schedules": {"sample_spread": {"kind": "linear", "end": 12}}},
        "generators": 2,
        "optimiser": {"schedule": {"kind": "linear", "end": 12}},
    },
    "anchors drawn once": {"objective": REALNESS | {"redraw_anchors": False}, "unroll": 1},
}


def started(told: dict[str, Any], make: Callable[..., Step]) -> Step:
    recipe = recipe_of(told)
    shape = (2,) if recipe.networks.makes == "points" else (3, 32, 32)
    torch.manual_seed(0)
    return make(method_of(recipe, shape).train(), recipe)


def go(step: Step, iterations: range) -> list[float]:
    """Iterate on data that depend on the iteration and the place in it; every loss."""
    torch.manual_seed(1)
    losses = []
    for number in iterations:
        data = torch.Generator().manual_seed(number)

        def next_batch(data: torch.Generator = data) -> Batch:
            return Batch(
                {"x": torch.rand(step.recipe.batch_size, *step.method.data.sample, generator=data) * 2 - 1}
            )

        step.begin(number)
        losses += [float(loss) for _, loss in step.iterate(next_batch)]
    return losses


def plain(method: Any, recipe: Recipe) -> Step:
    return Step(method, recipe, CPU)


def whole(method: Any, recipe: Recipe) -> WholeStep:
    return WholeStep(method, recipe, CPU, Tapes())


@pytest.mark.parametrize("name", GAMES)
def test_replayed_whole_iterations_are_plain_ones(name: str) -> None:
    expected, step = started(GAMES[name], plain), started(GAMES[name], whole)
    losses, of_step = go(expected, range(8)), go(step, range(8))
    assert step.backend == "captured, whole iterations"
    assert step._graphs.recordings == 1  # type: ignore[attr-defined]
    assert of_step == pytest.approx(losses, rel=1e-4, abs=1e-5)
    ours, theirs = everything(step), everything(expected)
    assert ours.keys() >= theirs.keys()  # rates that follow a schedule are tensors too
    for key, value in theirs.items():  # "random" among them: as many numbers are drawn, in the same order
        torch.testing.assert_close(ours[key], value, rtol=1e-3, atol=1e-4, msg=lambda m, k=key: f"{k}: {m}")


class Counted(torch.utils._python_dispatch.TorchDispatchMode):
    """The kernels that are called."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, kernel: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(kernel.name())
        return kernel(*args, **(kwargs or {}))


def test_outside_of_the_recording_data_are_copied_and_nothing_else() -> None:
    step = started(GAMES["BCGAN, average"], whole)
    go(step, range(2))
    assert step._whole is not None  # type: ignore[attr-defined]
    _, losses = step._whole  # type: ignore[attr-defined]
    step._whole = (lambda: None, losses)  # type: ignore[attr-defined]
    batch = Batch({"x": torch.zeros(8, 2)})
    with Counted() as counted:
        step.begin(2)
        list(step.iterate(lambda: batch))
    assert set(counted.names) == {"aten::copy_"} and len(counted.names) == 2
    # By phase the anchors, and z of both phases, are drawn outside.
    with Counted() as counted:
        step.method.begin(2, CPU)
    assert "aten::randn" in counted.names and len(counted.names) > 10


def test_a_graph_that_keeps_its_noise_is_noticed_and_phases_are_recorded_in_its_place(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = started(GAMES["BCGAN, average"], whole)
    kept = torch.randn(8, step.recipe.latent.dimension)
    recording = CapturedStep._rehearse

    def rehearse(self: Any, before: Any, **parts: Any) -> None:
        record = parts["record"]

        def frozen() -> None:
            monkeypatch.setattr(self.method, "draw", lambda *_: {"z": kept})
            record()
            monkeypatch.undo()

        recording(
            self, before, **(parts | {"record": frozen if self._whole is None and self._fed else record})
        )

    with monkeypatch.context() as patched:
        patched.setattr(CapturedStep, "_rehearse", rehearse)
        losses = go(step, range(4))
    assert "by phase (replayed," in step.backend and step.backend.startswith("captured; ")
    assert "no CUDA graph of whole iterations" in capsys.readouterr().err
    assert losses == pytest.approx(go(started(GAMES["BCGAN, average"], plain), range(4)), rel=1e-4, abs=1e-5)


def test_a_method_that_begins_iterations_itself_is_recorded_by_phase() -> None:
    from gantry.methods.adversarial import Adversarial

    class Own(Adversarial):
        def begin(self, iteration: int, device: torch.device) -> None:
            super().begin(iteration, device)

    recipe = recipe_of(GAMES["BCGAN, average"])
    from gantry.data.shape import DataShape

    step = WholeStep(Own(recipe, DataShape((2,))).train(), recipe, CPU, Tapes())
    go(step, range(2))
    assert step.backend == "captured; by phase (its method begins iterations itself)"


# ── generators side by side ───────────────────────────────────────────────────────────────────────────


class Fake:
    """Streams of a GPU that is not there: notes what waits for whom, and on which one work is put."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.at = "main"

    def current(self) -> "Stream":
        return Stream("main", self)

    def side(self, number: int) -> "Stream":
        return Stream(f"side {number}", self)

    @contextmanager
    def on(self, stream: "Stream") -> Iterator[None]:
        before, self.at = self.at, stream.name
        yield
        self.at = before


class Stream:
    def __init__(self, name: str, of: Fake) -> None:
        self.name = name
        self.of = of

    def wait_stream(self, other: "Stream") -> None:
        self.of.said.append(f"{self.name} waits for {other.name}")


def test_each_call_runs_on_its_stream_and_the_first_one_waits_for_all() -> None:
    streams = Fake()

    def call(number: int) -> list[Tensor]:
        streams.said.append(f"{number} on {streams.at}")
        return [torch.tensor(number)]

    made = forked_and_joined([lambda: call(0), lambda: call(1)], streams)
    assert made == [[torch.tensor(0)], [torch.tensor(1)]] and streams.at == "main"
    assert streams.said == [
        "side 0 waits for main",
        "0 on side 0",
        "side 1 waits for main",
        "1 on side 1",
        "main waits for side 0",
        "main waits for side 1",
    ]


def test_generators_make_the_same_on_streams_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"objective": REALNESS, "networks": DCGAN, "latent": {"dimension": 8, "shift": 0.1}} | TWO
    usual, beside = started(told, plain), started(told, plain)
    losses = go(usual, range(2))

    def forked(calls: Any, device: torch.device) -> list[Tensor]:
        assert len(calls) == 2, "one a generator: views of one generator share its running statistics"
        return [event for part in forked_and_joined(calls, Fake()) for event in part]

    monkeypatch.setattr("gantry.methods.adversarial.side_by_side", forked)
    assert go(beside, range(2)) == losses


def test_on_a_cpu_the_switch_does_nothing() -> None:
    with turned_on(["streams"]):
        assert is_on("streams")
        assert side_by_side([lambda: [torch.zeros(1)], lambda: [torch.ones(1)]], CPU) == [
            torch.zeros(1),
            torch.ones(1),
        ]
        step = started(HAND_PICKED["BCGAN"], plain)
        go(step, range(1))
        assert "streams" not in step.how
    assert not is_on("streams")


# ── optimistic Adam, fused ────────────────────────────────────────────────────────────────────────────


def moved(fused: bool, steps: int, dtype: torch.dtype, at: int | None = None) -> list[Tensor]:
    """Weights after some steps on made-up gradients; from step `at` on with the other form, through a saved state."""
    draw = torch.Generator().manual_seed(0)
    shapes = [(3, 4), (5,), ()]
    weights = [nn.Parameter(torch.randn(shape, generator=draw, dtype=dtype)) for shape in shapes]
    optimiser = OptimisticAdam(weights, lr=1e-3, betas=(0.5, 0.9), fused=fused)
    for step in range(steps):
        if step == at:
            state = copy.deepcopy(optimiser.state_dict())
            optimiser = OptimisticAdam(weights, lr=1e-3, betas=(0.5, 0.9), fused=not fused)
            load_optimizer_state(optimiser, state)
        for weight in weights:
            weight.grad = torch.randn(weight.shape, generator=draw, dtype=dtype) * 10.0 ** (step % 3)
        optimiser.step()
    return [weight.detach() for weight in weights]


def test_fused_optimistic_adam_is_the_plain_one_but_for_rounding() -> None:
    for ours, plain_one in zip(moved(True, 60, torch.float64), moved(False, 60, torch.float64), strict=True):
        torch.testing.assert_close(ours, plain_one, rtol=1e-12, atol=1e-13)
    for ours, plain_one in zip(moved(True, 60, torch.float32), moved(False, 60, torch.float32), strict=True):
        torch.testing.assert_close(
            ours, plain_one, rtol=0, atol=2e-6
        )  # 60 steps, a unit in the last place each
        assert not torch.equal(ours, plain_one) or ours.dim() == 0


@pytest.mark.parametrize("fused", [False, True])
def test_a_state_of_one_form_goes_on_with_the_other(fused: bool) -> None:
    for ours, usual in zip(
        moved(fused, 20, torch.float64, at=7), moved(fused, 20, torch.float64), strict=True
    ):
        torch.testing.assert_close(ours, usual, rtol=1e-12, atol=1e-13)


def test_the_switch_takes_the_fused_form_in_half_of_the_kernels_unless_the_rate_changes() -> None:
    def kernels(block: Optimiser) -> tuple[bool, int]:
        weights = [nn.Parameter(torch.zeros(3)) for _ in range(4)]
        optimiser = build_optimiser(block, weights, 0.1)
        assert isinstance(optimiser, OptimisticAdam)
        for weight in weights:
            weight.grad = torch.ones(3)
        optimiser.step()
        with Counted() as counted:
            optimiser.step()
        return optimiser.fused, len([name for name in counted.names if "detach" not in name])

    steady = Optimiser(name="oadam")
    assert not kernels(steady)[0]
    with turned_on(["fused_oadam"]):
        fused, few = kernels(steady)
        changing = Optimiser.model_validate({"name": "oadam", "schedule": {"kind": "linear", "end": 5}})
        assert fused and not kernels(changing)[0]
        assert "fused oadam" in started({"optimiser": {"name": "oadam"}}, plain).how
    assert kernels(steady)[1] > 2 * few
