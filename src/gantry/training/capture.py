"""Whole updates as CUDA graphs: recorded once, replayed with new data; the plain loop where that does not go.

A small GAN's update is a thousand kernels of a few microseconds each, and a CPU takes longer to launch them
than a GPU to run them. A graph launches them all at once. What it replays is the plain update itself, so there
is one path for all recipes and nothing to keep in step with it.
"""

import math
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from gantry.plan.recipe import Recipe
from gantry.training.game import Game
from gantry.training.snapshot import Snapshot
from gantry.training.step import Step

# Updates before the recording: libraries choose their kernels, optimisers create their moments.
WARM_UP = 3
# How far two iterations, replayed, may be from two plain ones: losses; weights and moments, as a share of the
# way that the plain ones went. Kernels that add up in no fixed order cause the difference, and Adam makes a
# whole step of a gradient that is 0 but for rounding, such as a bias's before BatchNorm; a graph that reads old
# data or moves nothing is off by about the whole way.
LOSS_TOLERANCE = 1e-3
STATE_TOLERANCE = 0.3

Replay = Callable[[], None]
Update = Callable[[Tensor, Sequence[Tensor]], Tensor]


class Graphs(Protocol):
    """What capturing asks of a device."""

    def warm_up(self, work: Callable[[], None]) -> None:
        """Run `work`, away from the stream on which training runs."""

    def record(self, work: Callable[[], Tensor]) -> tuple[Replay, Tensor]:
        """Return what `work` does, as a function that does it again, and the tensor which that refills."""

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

    def record(self, work: Callable[[], Tensor]) -> tuple[Replay, Tensor]:
        graph = torch.cuda.CUDAGraph()
        # Thread-local: the thread that sends batches ahead may go on with it.
        with torch.cuda.graph(graph, pool=self.pool, capture_error_mode="thread_local"):
            result = work()
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


def build_step(game: Game, recipe: Recipe, device: torch.device) -> Step:
    """Return the quickest step for the device: captured on a GPU, unless GANTRY_CAPTURE=0; else plain."""
    if device.type == "cuda" and os.environ.get("GANTRY_CAPTURE") != "0":
        return CapturedStep(game, recipe, device, CudaGraphs(device))
    step = Step(game, recipe, device)
    step.how = "plain (GANTRY_CAPTURE=0)" if device.type == "cuda" else "plain (a CPU captures nothing)"
    return step


class CapturedStep(Step):
    """The two updates of a game, recorded at the first call of either and replayed from then on.

    The recording is rehearsed on that call's batch: two iterations plain, two replayed from the same state with
    the same random numbers. Where they do not agree, or anything fails, every update is plain, and `how` says
    why. The rehearsal leaves no trace in weights, optimisers, averages, terms, objective or random generators.
    The loss that an update returns holds until the same player's next update.
    """

    def __init__(self, game: Game, recipe: Recipe, device: torch.device, graphs: Graphs) -> None:
        super().__init__(game, recipe, device)
        self.how = "no step taken"
        self._graphs = graphs
        self._plain: dict[str, Update] = {"generator": partial(Step.generator, self)}
        if recipe.updates.discriminator:
            self._plain = {"discriminator": partial(Step.discriminator, self)} | self._plain
        self._recorded: dict[str, tuple[Replay, Tensor]] = {}
        self._inputs: list[Tensor] = []

    def discriminator(self, real: Tensor, views: Sequence[Tensor]) -> Tensor:
        return self._update("discriminator", real, views)

    def generator(self, real: Tensor, views: Sequence[Tensor]) -> Tensor:
        return self._update("generator", real, views)

    def _update(self, player: str, real: Tensor, views: Sequence[Tensor]) -> Tensor:
        if not self._inputs:
            self._prepare(real, views)
        if not self._recorded:
            return self._plain[player](real, views)
        return self._replayed(player, real, views)

    def _replayed(self, player: str, real: Tensor, views: Sequence[Tensor]) -> Tensor:
        for place, given in zip(self._inputs, (real, *views), strict=True):
            place.copy_(given)
        replay, loss = self._recorded[player]
        replay()
        return loss

    def _prepare(self, real: Tensor, views: Sequence[Tensor]) -> None:
        """Record both updates, rehearse them, and decide; leave everything as it was."""
        self._inputs = [each.clone() for each in (real, *views)]
        before = Snapshot(self)
        capturable(self, True)
        try:
            with warnings.catch_warnings():
                # Optimisers warn that those which could be captured run uncaptured, as they do for a moment.
                warnings.simplefilter("ignore")
                self._record_and_compare(before, (real, *views))
            self.how = "captured"
        except Exception as error:  # of recipe, library or driver: the plain loop goes on, whatever it is
            self._recorded = {}
            self._clear_gradients()
            self._graphs.abandon()
            capturable(self, False)
            reason = first_reason(error)
            self.how = f"plain ({reason})"
            print(f"no CUDA graphs, so training is slower, with the same results: {reason}", file=sys.stderr)
        before.restore()

    def _record_and_compare(self, before: Snapshot, given: Sequence[Tensor]) -> None:
        """Raise RuntimeError unless two replayed iterations end where two plain ones do."""
        real, *views = self._inputs

        def some_updates() -> None:
            for _ in range(WARM_UP):
                for update in self._plain.values():
                    update(real, views)

        def rehearse(update: Callable[[str, Tensor, list[Tensor]], Tensor]) -> list[float]:
            before.restore()
            losses = []
            for sign in (1, -1):  # other data the second time: what was recorded must read them
                self.game.objective.redraw(self.device)
                real, *views = [sign * each for each in given]
                losses += [update(player, real, views).item() for player in self._plain]
            self._clear_gradients()
            return losses

        self._graphs.warm_up(some_updates)
        # Before the recording, which gives the memory of plain updates back and keeps its own.
        expected = rehearse(lambda player, real, views: self._plain[player](real, views))
        plain = Snapshot(self)
        for player, update in self._plain.items():
            self._recorded[player] = self._graphs.record(partial(update, real, views))
            self._clear_gradients()
        found = rehearse(self._replayed)
        if not all(map(close, found, expected)):
            raise RuntimeError(f"replayed, losses are {found}, and should be {expected}")
        Snapshot(self).expect(plain, before, STATE_TOLERANCE)

    def _clear_gradients(self) -> None:
        """Give up the gradients: the memory of one recording's may serve the next."""
        for optimiser in (self.optimiser_d, self.optimiser_g):
            optimiser.zero_grad(set_to_none=True)


def close(loss: float, expected: float) -> bool:
    """Whether two losses agree; those of a run that diverges agree if neither is a number."""
    if not (math.isfinite(loss) and math.isfinite(expected)):
        return math.isfinite(loss) == math.isfinite(expected)
    return math.isclose(loss, expected, rel_tol=LOSS_TOLERANCE, abs_tol=LOSS_TOLERANCE)


def capturable(step: Step, on: bool) -> None:
    """Tell the optimisers, those that ask, whether a graph will run them."""
    for optimiser in (step.optimiser_d, step.optimiser_g):
        for group in optimiser.param_groups:
            if "capturable" in group:
                group["capturable"] = on and step.device.type == "cuda"


def first_reason(error: BaseException) -> str:
    """The first line of the error at the beginning of a chain: ending a broken recording raises another."""
    while error.__context__ is not None:
        error = error.__context__
    return str(error).strip().partition("\n")[0] or type(error).__name__
