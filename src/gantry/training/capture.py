"""Whole steps as CUDA graphs: recorded once, replayed with new data; the plain loop where that does not go.

A small GAN's step is a thousand kernels of a few microseconds each, and a CPU takes longer to launch them
than a GPU to run them. A graph launches them all at once. What it replays is the plain step itself, so there
is one path for all recipes and nothing to keep in step with it.
"""

import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from gantry.methods import Batch, Method, Stage
from gantry.plan.recipe import Recipe
from gantry.progress import tell
from gantry.system.switches import is_on
from gantry.training.snapshot import Snapshot
from gantry.training.step import Step

# Updates before the recording: libraries choose their kernels, optimisers create their moments.
WARM_UP = 3
# How far two iterations, replayed, may be from two plain ones: losses; weights and moments, as a share of the
# way that the plain ones went. Kernels that add up in no fixed order cause the difference, and Adam makes a
# whole step of a gradient that is 0 but for rounding, such as a bias's before BatchNorm; a graph that reads old
# data or moves nothing is off by about the whole way. In bfloat16 one unit in the last place is 4e-3.
LOSS_TOLERANCE = {"bf16": 1e-2, "tf32": 1e-3, "fp32": 1e-3}
STATE_TOLERANCE = 0.3

# Graphs whose recording broke off. When PyTorch 2.11 frees one, its allocator of pinned memory goes on recording.
_broken: list[object] = []

Replay = Callable[[], None]
T = TypeVar("T")


class Graphs(Protocol):
    """What capturing asks of a device."""

    def warm_up(self, work: Callable[[], None]) -> None:
        """Run `work`, away from the stream on which training runs."""

    def record(self, work: Callable[[], T]) -> tuple[Replay, T]:
        """Return what `work` does, as a function that does it again, and the tensors which that refills."""

    def abandon(self) -> None:
        """Undo what a failed recording has left behind in the process."""


class CudaGraphs:
    """CUDA graphs that share one pool of memory: they are replayed one after the other, on one stream."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.pool = torch.cuda.graph_pool_handle()

    def warm_up(self, work: Callable[[], None]) -> None:
        current, side = torch.cuda.current_stream(self.device), torch.cuda.Stream(self.device)
        side.wait_stream(current)
        with torch.cuda.stream(side):
            work()
        current.wait_stream(side)

    def record(self, work: Callable[[], T]) -> tuple[Replay, T]:
        graph = torch.cuda.CUDAGraph()
        # Thread-local: the thread that sends batches ahead may go on with it.
        try:
            with torch.cuda.graph(graph, pool=self.pool, capture_error_mode="thread_local"):
                result = work()
        except BaseException:
            _broken.append(graph)
            raise
        return graph.replay, result

    def abandon(self) -> None:
        torch.cuda.set_stream(torch.cuda.default_stream(self.device))
        # A recording that broke off may leave the default generator waiting for its end: it gets a fresh state.
        index = torch.cuda.current_device() if self.device.index is None else self.device.index
        torch.cuda.default_generators[index].graphsafe_set_state(torch.Generator(self.device))
        # So may the allocator (pytorch/pytorch#180395): as long as it waits, memory that a second stream has
        # used, such as a batch sent ahead, is never free again. Elsewhere it says that it does not wait.
        with suppress(RuntimeError):
            torch._C._cuda_endAllocateToPool(index, self.pool)
        torch.cuda.empty_cache()


def build_step(
    method: Method,
    recipe: Recipe,
    device: torch.device,
    stage: Stage | None = None,
    before: Step | None = None,
) -> Step:
    """Return the quickest step for the device: captured on a GPU, unless GANTRY_CAPTURE=0; else plain."""
    unwanted = "GANTRY_CAPTURE=0" if os.environ.get("GANTRY_CAPTURE") == "0" else method.unrecorded
    if device.type == "cuda" and not unwanted:
        kind = WholeStep if is_on("whole_iterations") else CapturedStep
        return kind(method, recipe, device, CudaGraphs(device), stage, before)
    step = Step(method, recipe, device, stage, before)
    step.backend = f"plain ({unwanted if device.type == 'cuda' else 'a CPU captures nothing'})"
    return step


class CapturedStep(Step):
    """The steps of a method's phases, recorded at the first call and replayed from then on.

    The recording is rehearsed on that call's batch: two iterations plain, two replayed from the same state with
    the same random numbers. Where they do not agree, or anything fails, every step is plain, and `backend` says
    why. The rehearsal leaves no trace in weights, optimisers, averages, terms, objectives or random generators.
    The loss that a step returns holds until the same phase's next step.
    """

    def __init__(
        self,
        method: Method,
        recipe: Recipe,
        device: torch.device,
        graphs: Graphs,
        stage: Stage | None = None,
        before: Step | None = None,
    ) -> None:
        super().__init__(method, recipe, device, stage, before)
        self.backend = "no step taken"
        self._graphs = graphs
        self._recorded: dict[str, tuple[Replay, Tensor]] = {}
        self._places: dict[str, Batch] = {}
        self._tried = False

    def update(self, name: str, batch: Batch) -> Tensor:
        if not self._tried:
            self._prepare(batch)
        if not self._recorded:
            return self._plain_update(name, batch)
        return self._replayed(name, batch)

    def _replayed(self, name: str, batch: Batch) -> Tensor:
        _fill(self._places[name], batch)
        replay, loss = self._recorded[name]
        replay()
        return loss

    def _prepare(self, batch: Batch) -> None:
        """Record the steps of all phases, rehearse them, and decide; leave everything as it was."""
        self._tried = True

        def recording(before: Snapshot) -> None:
            rehearsed = [self._examples(batch, sign) for sign in (1, -1)]
            self._places = _places(rehearsed[0])
            self._record_and_compare(before, rehearsed)

        reason = self._attempt(recording)
        self.backend = f"plain ({reason})" if reason else "captured"
        if reason:
            self._recorded = {}
            tell(f"no CUDA graphs, so training is slower, with the same results: {reason}")

    def _attempt(self, recording: Callable[[Snapshot], None]) -> str:
        """Record and rehearse; return why that failed, or "". Everything is left as it was."""
        self._rates_on_device()
        before = Snapshot(self)
        capturable(self, True)
        reason = ""
        try:
            with warnings.catch_warnings():
                # Optimisers warn that those which could be captured run uncaptured, as they do for a moment.
                warnings.simplefilter("ignore")
                recording(before)
        except Exception as error:  # of recipe, library or driver: the plain loop goes on, whatever it is
            self._clear_gradients()
            self._graphs.abandon()
            capturable(self, False)
            reason = first_reason(error)
        before.restore()
        return reason

    def _rates_on_device(self) -> None:
        """Put the rates that follow a schedule where a graph reads them anew."""
        for name in self.schedules:
            for group in self.optimisers[name].param_groups:
                group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float32, device=self.device).clone()

    def _examples(self, batch: Batch, sign: int) -> dict[str, Batch]:
        """A batch for each phase, of its size and with noise of its own, made of one; other data for each sign."""
        own = self.size(next(iter(self.phases.values())))
        share = len(batch.x) / own  # of a batch that several processes divide
        return {
            name: batch.resized(round(share * self.size(phase)))
            .mapped(partial(_other, sign))
            .with_noise(self.method.draw(name, round(share * self.size(phase)), self.device))
            for name, phase in self.phases.items()
        }

    def _record_and_compare(self, before: Snapshot, rehearsed: Sequence[dict[str, Batch]]) -> None:
        """Raise RuntimeError unless two replayed iterations end where two plain ones do."""

        def plain(batches: Mapping[str, Batch]) -> list[Tensor]:
            return [self._plain_update(name, batch) for name, batch in batches.items()]

        def replayed(batches: Mapping[str, Batch]) -> list[Tensor]:
            return [self._replayed(name, batch) for name, batch in batches.items()]

        def record() -> None:
            for name, place in self._places.items():
                self._recorded[name] = self._graphs.record(partial(self._plain_update, name, place))
                self._clear_gradients()

        def begin(number: int) -> None:
            self.method.begin(number, self.device)

        self._rehearse(
            before,
            warm_up=partial(plain, self._places),
            plain=[partial(plain, batches) for batches in rehearsed],
            record=record,
            replayed=[partial(replayed, batches) for batches in rehearsed],
            begin=begin,
        )

    def _rehearse(
        self,
        before: Snapshot,
        *,
        warm_up: Callable[[], object],
        plain: Sequence[Callable[[], Sequence[Tensor]]],
        record: Callable[[], None],
        replayed: Sequence[Callable[[], Sequence[Tensor]]],
        begin: Callable[[int], None],
    ) -> None:
        """Raise RuntimeError unless the iterations `replayed`, once `record` has run, end where the `plain` ones do.

        Both start `before`, with the same random numbers; `begin` comes before each iteration, with its number.
        """

        def some_steps() -> None:
            for _ in range(WARM_UP):
                warm_up()

        def losses_of(iterations: Sequence[Callable[[], Sequence[Tensor]]]) -> list[float]:
            before.restore()
            losses = []
            for number, iteration in enumerate(iterations):
                begin(number)
                losses += [loss.item() for loss in iteration()]
            self._clear_gradients()
            return losses

        self._graphs.warm_up(some_steps)
        # Before the recording, which gives the memory of plain steps back and keeps its own.
        expected = losses_of(plain)
        end = Snapshot(self)
        record()
        found = losses_of(replayed)
        tolerance = LOSS_TOLERANCE[self.recipe.precision]
        if not all(
            close(loss, plain_loss, tolerance) for loss, plain_loss in zip(found, expected, strict=True)
        ):
            raise RuntimeError(f"replayed, losses are {found}, and should be {expected}")
        end.expect(before, STATE_TOLERANCE)

    def _clear_gradients(self) -> None:
        """Give up the gradients: the memory of one recording's may serve the next."""
        for optimiser in self.optimisers.values():
            optimiser.zero_grad(set_to_none=True)


class WholeStep(CapturedStep):
    """A whole iteration as one graph, in which objectives draw anew, noise is drawn, and all phases take their steps.

    Outside stay the data's batches, copied into place, and what follows from the iteration's number. A run's first
    iteration is plain: in it objectives draw for the first time, and optimisers get their moments. Rehearsed like
    single phases; where that fails, `CapturedStep` goes on, and `backend` says why.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._whole: tuple[Replay, list[tuple[str, Tensor]]] | None = None
        self._fed: list[Batch] = []
        # An own `begin` may do what neither `refill` nor `redraw` does.
        self._apart = "" if type(self.method).begin is Method.begin else "its method begins iterations itself"
        self._number = 0

    @property
    def _goes_plain(self) -> bool:
        return self._number == 0 and not self._apart

    def begin(self, iteration: int) -> None:
        self._number = iteration
        if self._apart or self._goes_plain:
            return super().begin(iteration)
        self._follow_schedules(iteration)
        self.method.refill(iteration)

    def update(self, name: str, batch: Batch) -> Tensor:
        return self._plain_update(name, batch) if self._goes_plain else super().update(name, batch)

    def iterate(self, next_batch: Callable[[], Batch]) -> Iterator[tuple[str, Tensor]]:
        if self._apart or self._goes_plain:
            yield from super().iterate(next_batch)
            return
        if self._whole is None:
            batches = [_copied(next_batch()) for _ in range(self._batches_an_iteration())]
            self._prepare_whole(batches)
            next_batch = iter(batches).__next__
        if self._whole is None:
            self.method.redraw(self.device)
            yield from super().iterate(next_batch)
            return
        yield from self._replayed_whole(next_batch)

    def _prepare(self, batch: Batch) -> None:
        super()._prepare(batch)
        self.backend += f"; by phase ({self._apart})"

    def _batches_an_iteration(self) -> int:
        repeats = [phase.repeat if phase.fresh else 0 for phase in self.phases.values()]
        return max(1, sum(repeats))

    def _replayed_whole(self, next_batch: Callable[[], Batch]) -> list[tuple[str, Tensor]]:
        assert self._whole is not None
        for place in self._fed:
            _fill(place, next_batch())
        replay, losses = self._whole
        replay()
        return losses

    def _plain_whole(self, batches: Sequence[Batch]) -> list[tuple[str, Tensor]]:
        """An iteration kernel by kernel, but for what a graph must not hold; also what is recorded."""
        self.method.redraw(self.device)
        rest = iter(batches)
        batch: Batch | None = None
        losses = []
        for name, phase in self.phases.items():
            for _ in range(phase.repeat):
                if phase.fresh or batch is None:
                    batch = self._with_noise(next(rest), phase)
                losses.append((name, self._plain_update(name, batch)))
        return losses

    def _prepare_whole(self, batches: Sequence[Batch]) -> None:
        """Record an iteration, rehearse it, and decide; leave everything as it was."""
        rehearsed = [[batch.mapped(partial(_other, sign)) for batch in batches] for sign in (1, -1)]
        self._fed = [_copied(batch) for batch in batches]

        def plain(fed: Sequence[Batch]) -> list[Tensor]:
            return [loss for _, loss in self._plain_whole(fed)]

        def replayed(fed: Sequence[Batch]) -> list[Tensor]:
            return [loss for _, loss in self._replayed_whole(iter(fed).__next__)]

        def record() -> None:
            self._whole = self._graphs.record(partial(self._plain_whole, self._fed))
            self._clear_gradients()

        def recording(before: Snapshot) -> None:
            self._rehearse(
                before,
                warm_up=partial(plain, self._fed),
                plain=[partial(plain, fed) for fed in rehearsed],
                record=record,
                replayed=[partial(replayed, fed) for fed in rehearsed],
                begin=self.method.refill,
            )

        self._apart = self._attempt(recording)
        self.backend = "captured, whole iterations"
        if self._apart:
            self._whole = None
            tell(f"no CUDA graph of whole iterations, but one for each phase: {self._apart}")


def _copied(batch: Batch) -> Batch:
    return batch.mapped(lambda _, value: value.clone())


def _fill(place: Batch, batch: Batch) -> None:
    given = batch.tensors()
    for key, tensor in place.tensors().items():
        tensor.copy_(given[key])


def _other(sign: int, name: str, value: Tensor) -> Tensor:
    """Other data for each sign; labels are not negated but go to other rows."""
    return sign * value if value.is_floating_point() else value.roll((1 - sign) // 2, 0)


def _places(examples: Mapping[str, Batch]) -> dict[str, Batch]:
    """Memory for each phase's batch, the same for phases whose batches look the same."""
    found: dict[str, Batch] = {}
    shared: dict[Any, Batch] = {}
    for name, batch in examples.items():
        look = tuple((key, value.shape, value.dtype) for key, value in batch.tensors().items())
        found[name] = shared.setdefault(look, batch.mapped(lambda _, value: value.clone()))
    return found


def close(loss: float, expected: float, tolerance: float) -> bool:
    """Whether two losses agree; those of a run that diverges agree if neither is a number."""
    if not (math.isfinite(loss) and math.isfinite(expected)):
        return math.isfinite(loss) == math.isfinite(expected)
    return math.isclose(loss, expected, rel_tol=tolerance, abs_tol=tolerance)


def capturable(step: Step, on: bool) -> None:
    """Tell the optimisers, those that ask, whether a graph will run them."""
    for optimiser in step.optimisers.values():
        for group in optimiser.param_groups:
            if "capturable" in group:
                group["capturable"] = on and step.device.type == "cuda"


def first_reason(error: BaseException) -> str:
    """The first line of the error at the beginning of a chain: ending a broken recording raises another."""
    while error.__context__ is not None:
        error = error.__context__
    return str(error).strip().partition("\n")[0] or type(error).__name__
