"""Captured updates against plain ones, on a CPU by a tape of kernels that behaves as a CUDA graph does."""

import copy
import gc
import json
import weakref
from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.training.games import DCGAN, GAMES, batch_of, iterate, method_of, recipe_of
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from gantry.methods.adversarial import Adversarial
from gantry.plan.blocks.networks import FAMILIES
from gantry.plan.recipe import Recipe
from gantry.training import capture
from gantry.training import train as loop
from gantry.training.capture import CapturedStep, CudaGraphs, build_step
from gantry.training.history import LossMeter
from gantry.training.optimisers import load_optimizer_state
from gantry.training.snapshot import Snapshot, named_state
from gantry.training.step import Step

CPU = torch.device("cpu")
# What makes the host wait for a number, or the size of a result depend on one: no CUDA graph has it.
FORBIDDEN = ("aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::unique")


class Tape(TorchDispatchMode):
    """Kernels as they were called. To replay is to call them again on the same tensors, without any Python of
    ours: what was a number in Python is a constant, and what was bound to another tensor stays with the first."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, kernel: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if kernel.name().startswith(FORBIDDEN):
            raise RuntimeError("operation not permitted when stream is capturing")
        result = kernel(*args, **(kwargs or {}))
        self.calls.append((kernel, args, kwargs or {}, result))
        return result

    @torch.no_grad()
    def replay(self) -> None:
        for kernel, args, kwargs, result in self.calls:
            again = kernel(*args, **kwargs)
            for place, value in zip(tree_leaves(result), tree_leaves(again), strict=True):
                # Views and results in place are where they were.
                if isinstance(place, Tensor) and place.data_ptr() != value.data_ptr():
                    place.copy_(value.reshape(place.shape))  # which may have been squeezed in place since


class Tapes:
    """`Graphs` for a CPU."""

    def __init__(self) -> None:
        self.recordings = 0
        self.abandoned = 0

    def warm_up(self, work: Callable[[], None]) -> None:
        work()

    def record(self, work: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        self.recordings += 1
        with Tape() as tape:
            result = work()
        return tape.replay, result

    def abandon(self) -> None:
        self.abandoned += 1


def recipe_called(name: str) -> Recipe:
    return recipe_of(GAMES[name])


Make = Callable[[Adversarial, Recipe], Step]


def plain(method: Adversarial, recipe: Recipe) -> Step:
    return Step(method, recipe, CPU)


def taped(method: Adversarial, recipe: Recipe) -> CapturedStep:
    return CapturedStep(method, recipe, CPU, Tapes())


def play(
    recipe: Recipe, make: Make, iterations: int, device: torch.device = CPU, seed: int = 0
) -> tuple[Step, list[float]]:
    """Train on made-up data; return the step and every loss."""
    shape = (2,) if recipe.networks.makes == "points" else (3, 32, 32)
    torch.manual_seed(seed)
    method = method_of(recipe, shape).to(device).train()
    step = make(method, recipe)
    return step, go_on(step, recipe, shape, iterations)


def go_on(step: Step, recipe: Recipe, shape: tuple[int, ...], iterations: int) -> list[float]:
    return [loss for _ in range(iterations) for loss in iterate(step, recipe, shape)]


def everything(step: Step) -> dict[str, Tensor]:
    found = {name: value.detach().clone() for name, value in named_state(step)}
    return found | step.method.adversary.objective.state_dict() | {"random": torch.get_rng_state()}


@pytest.mark.parametrize("name", GAMES)
def test_twenty_replayed_iterations_are_twenty_plain_ones(name: str) -> None:
    recipe = recipe_called(name)
    # The options of networks for images, and games of several things at once, take as long as 20 of these together.
    iterations = 20 if recipe.networks.makes == "points" or name in map("networks {}".format, FAMILIES) else 3
    expected, expected_losses = play(recipe, plain, iterations)
    step, losses = play(recipe, taped, iterations)
    assert step.backend == "captured"
    assert step._graphs.recordings == (2 if recipe.updates.discriminator else 1)
    assert losses == pytest.approx(expected_losses, rel=1e-4, abs=1e-5)
    ours, theirs = everything(step), everything(expected)
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        torch.testing.assert_close(ours[key], value, rtol=1e-3, atol=1e-4, msg=lambda m, k=key: f"{k}: {m}")


def test_a_rehearsal_leaves_no_trace() -> None:
    """Neither before the first update nor in the middle, where optimisers have moments."""
    recipe = recipe_called("BCGAN, images, random head, average")
    for iterations in (0, 2):
        step, _ = play(recipe, taped, iterations)
        step.method.adversary.objective.redraw(CPU)
        real, z = torch.rand(8, 3, 32, 32), torch.randn(8, 8)
        before = everything(step)
        step._prepare(batch_of(real, [z]))
        after = everything(step)
        for key, value in after.items():
            assert torch.equal(value, before.get(key, torch.zeros_like(value))), key
        assert all(parameter.grad is None for parameter in step.method.parameters())
        assert all(parameter.requires_grad for parameter in step.method.parameters())


@pytest.mark.parametrize("name", ["BCGAN", "EDGAN", "BEGAN", "averaged weights"])
def test_a_state_saved_by_one_way_goes_on_by_the_other(name: str) -> None:
    recipe = recipe_called(name)
    shape = (2,) if recipe.networks.makes == "points" else (3, 32, 32)
    ends = []
    for first, second in ((plain, plain), (plain, taped), (taped, plain)):
        step, _ = play(recipe, first, 3)
        torch.manual_seed(1)
        again = second(method_of(recipe, shape).train(), recipe)
        again.method.load_state_dict(step.method.state_dict())
        again.method.adversary.objective.load_state_dict(step.method.adversary.objective.state_dict())
        for name, optimiser in step.optimisers.items():
            load_optimizer_state(again.optimisers[name], copy.deepcopy(optimiser.state_dict()))
        torch.manual_seed(2)
        losses = go_on(again, recipe, shape, 3)
        ends.append((losses, everything(again)))
    for losses, end in ends[1:]:
        assert losses == pytest.approx(ends[0][0], rel=1e-4, abs=1e-5)
        for key, value in ends[0][1].items():
            torch.testing.assert_close(end[key], value, rtol=1e-3, atol=1e-4)


# ── what a graph cannot do ────────────────────────────────────────────────────────────────────────────


def waits(self: Any, real: Any, fakes: Any) -> Tensor:
    loss = plain_loss(self, real, fakes)
    return loss * (1.0 if loss.item() else 0.0)


def rebinds(self: Any, real: Any, fakes: Any) -> Tensor:
    """Counts in a new tensor every time: replayed, it adds to the first for ever."""
    self.passes = getattr(self, "passes", torch.ones(())) + 1
    return plain_loss(self, real, fakes) * self.passes


def counts_in_python(self: Any, real: Any, fakes: Any) -> Tensor:
    self.turns = getattr(self, "turns", 0) + 1
    return plain_loss(self, real, fakes) * self.turns


plain_loss = Adversarial.generator_loss


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [(waits, "not permitted"), (rebinds, "losses are"), (counts_in_python, "losses are")],
)
def test_what_cannot_be_captured_is_trained_plainly_and_said(
    wrong: Any, reason: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Adversarial, "generator_loss", wrong)
    step, _ = play(recipe_called("BCGAN"), taped, 3)
    assert isinstance(step, CapturedStep)
    assert step.backend.startswith("plain (") and reason in step.backend
    assert step._graphs.abandoned == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and reason in said
    if wrong is waits:
        expected, _ = play(recipe_called("BCGAN"), plain, 3)
        ours = everything(step)
        assert all(torch.equal(value, ours[key]) for key, value in everything(expected).items())


def test_a_wrong_graph_is_noticed_by_losses_or_by_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replays that do nothing, that miss one optimiser, that never see new data."""

    class Idle(Tapes):
        def record(self, work: Callable[[], Tensor]) -> Any:
            return (lambda: None), super().record(work)[1]

    class WithoutOptimisers(Tapes):
        def record(self, work: Callable[[], Tensor]) -> Any:
            replay, loss = super().record(work)
            tape = replay.__self__
            tape.calls = [call for call in tape.calls if "_fused_adam_" not in call[0].name()]
            return replay, loss

    class Stale(Tapes):
        def record(self, work: Callable[[], Tensor]) -> Any:
            name, place = work.args
            frozen = place.mapped(lambda _, value: value.clone())
            return super().record(lambda: work.func(name, frozen))

    for broken in (Idle, WithoutOptimisers, Stale):
        step, _ = play(recipe_called("BCGAN"), lambda g, r, b=broken: CapturedStep(g, r, CPU, b()), 1)
        assert step.backend.startswith("plain (replayed, "), broken


def test_weights_far_from_where_they_should_be_are_named() -> None:
    step, _ = play(recipe_called("BCGAN"), plain, 1)
    start = Snapshot(step)
    go_on(step, recipe_called("BCGAN"), (2,), 1)
    there = Snapshot(step)
    there.expect(start, 0.0)
    with torch.no_grad():
        step.method.discriminator[-1].weight.mul_(1.5)
    with pytest.raises(RuntimeError, match="the weights of method discriminator are"):
        there.expect(start, capture.STATE_TOLERANCE)
    there.restore()
    there.expect(start, 0.0)


def test_whole_numbers_have_to_be_equal() -> None:
    """BatchNorm's count is no quantity that may be off by a share of its way."""
    recipe = recipe_of({"networks": DCGAN})
    step, _ = play(recipe, plain, 1)
    start = Snapshot(step)
    go_on(step, recipe, (3, 32, 32), 8)
    there = Snapshot(step)
    there.expect(start, 0.0)
    count = next(
        buffer for name, buffer in step.method.named_buffers() if name.endswith("num_batches_tracked")
    )
    count += 1
    with pytest.raises(RuntimeError, match=r"num_batches_tracked is \d+, and should be \d+"):
        there.expect(start, capture.STATE_TOLERANCE)


@pytest.mark.parametrize(("precision", "agrees"), [("bf16", True), ("tf32", False), ("fp32", False)])
def test_losses_may_differ_by_what_the_precision_rounds(precision: str, agrees: bool) -> None:
    """One unit in the last place of bfloat16 is 4e-3; no precision lets 2 % pass."""
    tolerance = capture.LOSS_TOLERANCE[precision]
    assert capture.close(1.004, 1.0, tolerance) == agrees
    assert capture.close(1.0004, 1.0, tolerance) and not capture.close(1.02, 1.0, tolerance)


def test_a_graph_whose_recording_broke_off_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch 2.11's allocator of pinned memory would go on recording when it is freed; a whole one is freed."""

    class Graph:
        def replay(self) -> None:
            pass

    made: list[weakref.ref[Graph]] = []

    def new_graph() -> Graph:
        graph = Graph()
        made.append(weakref.ref(graph))
        return graph

    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, 0))
    monkeypatch.setattr(torch.cuda, "CUDAGraph", new_graph)
    monkeypatch.setattr(torch.cuda, "graph", lambda *_, **__: nullcontext())
    monkeypatch.setattr(capture, "_broken", [])
    graphs = capture.CudaGraphs(torch.device("cuda", 0))

    def breaks() -> Tensor:
        raise RuntimeError("operation not permitted when stream is capturing")

    with pytest.raises(RuntimeError, match="not permitted"):
        graphs.record(breaks)
    graphs.record(lambda: torch.zeros(()))
    del graphs
    gc.collect()
    assert made[0]() is not None and made[1]() is None


def test_pinned_memory_is_taken_before_the_first_checkpoint(
    lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the first iteration, when the optimisers have their moments; once."""
    taken: list[int] = []
    monkeypatch.setattr(loop.Trainer, "reserve", lambda self: taken.append(self.progress.iteration))
    lab.train("run", 6)
    lab.train("run", 12)
    assert taken == [1, 7]
    monkeypatch.undo()
    copied: list[Any] = []
    monkeypatch.setattr(loop, "to_host", lambda content, device: (copied.append(content), lambda: None))
    content = {"method": torch.zeros(2)}
    networks = SimpleNamespace(state_dict=lambda: {"w": torch.ones(1)})
    for device, count in (("cpu", 0), ("cuda", 1)):
        trainer = SimpleNamespace(
            device=torch.device(device),
            distributed=SimpleNamespace(is_main_process=True),
            step=SimpleNamespace(sampling_networks=lambda: networks),
            _content=lambda: content,
        )
        loop.Trainer.reserve(trainer)  # type: ignore[arg-type]
        assert len(copied) == count
    assert copied == [({"w": torch.ones(1)}, content)]


def test_a_cpu_captures_nothing_and_says_so() -> None:
    recipe = recipe_called("BCGAN")
    step = build_step(method_of(recipe, (2,)), recipe, CPU)
    assert type(step) is Step and step.backend == "plain (a CPU captures nothing)"


def test_the_record_says_how_the_steps_were_run(lab: Any) -> None:
    root = lab.train("run", 6)
    record = json.loads((root / "record-6.json").read_text())
    assert record["provenance"]["step"] == "plain (a CPU captures nothing)"


def test_a_captured_run_that_is_stopped_ends_in_the_same_bits(
    lab: Any, tools: Any, stop_at: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every segment records anew; none of its updates is a plain one."""
    monkeypatch.setattr(
        "gantry.training.train.build_step",
        lambda method, recipe, device, stage, before: taped(method, recipe),
    )
    recipe = tools.bcgan | {"ema": 0.9, "optimiser": {"name": "oadam"}}
    root = lab.train("whole", 6, recipe)
    expected = tools.outcome(root)
    assert json.loads((root / "record-6.json").read_text())["provenance"]["step"] == "captured"
    stop_at(2, 5)
    assert lab.train_through("stopped", 6, recipe) == 2
    assert tools.outcome(lab.root("stopped")) == expected


# ── what a CUDA graph cannot see, looked for without one ──────────────────────────────────────────────


class OnTheHost(TorchDispatchMode):
    """Every kernel that was given, or returned, a tensor on the host."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels: set[str] = set()

    def __torch_dispatch__(self, kernel: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = kernel(*args, **(kwargs or {}))
        for value in tree_leaves((args, kwargs, result)):
            if isinstance(value, Tensor) and value.device.type == "cpu":
                self.kernels.add(kernel.name())
        return result


@pytest.mark.parametrize("name", GAMES)
def test_an_iteration_has_nothing_on_the_host(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On PyTorch's device without data, where to ask for a number is an error, and the host is another place.

    A number that an update keeps on the host is a constant of the graph: replayed, it stands still.
    """
    recipe, device = recipe_called(name), torch.device("meta")
    shape = (2,) if recipe.networks.makes == "points" else (3, 32, 32)
    # PyTorch's own optimisers have no kernels there; their states tell on a GPU.
    for kind in (torch.optim.Adam, torch.optim.SGD, torch.optim.RMSprop):
        monkeypatch.setattr(kind, "step", lambda self: None)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    step = Step(method_of(recipe, shape).to(device).train(), recipe, device)
    losses = LossMeter(device)
    host = OnTheHost()
    for _ in range(2):  # what is sent to the device once, in the first, is there in the second
        host.kernels.clear()
        with host:
            step.method.adversary.objective.redraw(device)
            for number, name in enumerate(step.phases):
                real = torch.rand(recipe.batch_size, *shape, device=device)
                batch = batch_of(real, step.method.draw(name, recipe.batch_size, device))
                losses.add(number, step.update(name, batch))
            losses.end_iteration()
    assert not host.kernels


# ── on the device ─────────────────────────────────────────────────────────────────────────────────────

on_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device for PyTorch")


@pytest.mark.gpu
@on_a_gpu
@pytest.mark.parametrize("name", GAMES)
def test_cuda_graphs_do_what_the_plain_loop_does(name: str) -> None:
    recipe, device = recipe_called(name), torch.device("cuda", 0)
    _, expected_losses = play(recipe, lambda g, r: Step(g, r, device), 5, device)
    step, losses = play(recipe, lambda g, r: CapturedStep(g, r, device, CudaGraphs(device)), 5, device)
    assert step.backend == "captured"
    assert losses == pytest.approx(expected_losses, rel=1e-2, abs=1e-3)


@pytest.mark.gpu
@on_a_gpu
def test_a_broken_recording_leaves_a_usable_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, device = recipe_called("BCGAN"), torch.device("cuda", 0)
    monkeypatch.setattr(Adversarial, "generator_loss", waits)
    _, expected_losses = play(recipe, lambda g, r: Step(g, r, device), 5, device)
    step, losses = play(recipe, lambda g, r: CapturedStep(g, r, device, CudaGraphs(device)), 5, device)
    assert step.backend.startswith("plain (")
    assert losses == pytest.approx(expected_losses, rel=1e-3, abs=1e-4)


@pytest.mark.gpu
@on_a_gpu
def test_after_a_broken_recording_lent_memory_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches that are sent ahead on a stream of their own are freed as before."""
    device, side = torch.device("cuda", 0), torch.cuda.Stream()
    monkeypatch.setattr(Adversarial, "generator_loss", waits)
    step, _ = play(
        recipe_called("BCGAN"), lambda g, r: CapturedStep(g, r, device, CudaGraphs(device)), 1, device
    )
    assert step.backend.startswith("plain (")
    size = 1 << 24
    before = torch.cuda.memory_stats(device)["active_bytes.all.current"]
    for _ in range(4):
        lent = torch.empty(size, dtype=torch.uint8, device=device)
        lent.record_stream(side)
        del lent
        torch.cuda.synchronize()
    assert torch.cuda.memory_stats(device)["active_bytes.all.current"] <= before + size
