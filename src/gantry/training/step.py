"""One step of a phase: loss, gradient, optimiser. Precision and averaging are decided here."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from gantry.methods import Batch, Method, Part, Phase, Stage
from gantry.plan.blocks.schedules import Changing
from gantry.plan.recipe import Recipe
from gantry.progress import tell
from gantry.system import switches
from gantry.training import compiled
from gantry.training.optimisers import OptimisticAdam, build_optimiser, keep_moments


class Step:
    """The steps of a method's phases, kernel by kernel. The reference for every faster way (see `capture.py`).

    `update(phase, batch)` returns the phase's loss as a detached scalar on the device, without waiting for it. No
    part of it waits for the device. A step holds for one stage; `before` is that of the stage before.
    """

    backend: str = "plain"
    """How steps are run, in words, for the run record."""
    compiled: str = ""
    """Whether networks are compiled, or why not; empty where nobody asked."""

    def __init__(
        self,
        method: Method,
        recipe: Recipe,
        device: torch.device,
        stage: Stage | None = None,
        before: "Step | None" = None,
    ) -> None:
        self.method = method
        self.recipe = recipe
        self.device = device
        self.precision = recipe.precision
        self.stage = stage or method.stages()[0]
        named = {phase.name: phase for phase in method.phases}
        # Convolutions run channels last on CPUs and GPUs; weights in that order spare them a copy every time.
        method.to(memory_format=torch.channels_last)
        self.optimisers = {}
        # Of phases whose rates follow a schedule: the rate that it multiplies, and the schedule.
        self.schedules: dict[str, tuple[float, Changing]] = {}
        for name, phase in named.items():
            block, rate = method.optimiser(name)
            rate *= self.stage.rate
            self.optimisers[name] = build_optimiser(block, parameters_of(method, phase.trains), rate)
            if before is not None and not self.stage.fresh:
                keep_moments(self.optimisers[name], before.optimisers[name])
            if (schedule := block.schedule_of(name)) is not None:
                self.schedules[name] = rate, schedule
        method.bind(self.optimisers)
        self.phases = {
            name: phase
            for name, phase in named.items()
            if phase.repeat and (self.stage.phases is None or name in self.stage.phases)
        }
        learn = [parameter for parameter in method.parameters() if parameter.requires_grad]
        self._still = {
            name: _without(learn, parameters_of(method, phase.trains)) for name, phase in named.items()
        }
        self.decay = recipe.ema if self.stage.ema is None else self.stage.ema
        self.kept = method.kept
        self.average: AveragedModel | None = None
        if before is not None:
            self.average = before.average
        elif recipe.ema > 0:
            # With its count of updates on the device too: a graph that reads one on the host counts no further.
            self.average = AveragedModel(self.kept, device)
        self._averaged_after = self._last_phase_of(self.kept)
        # Convolutions and matrix products in TF32 only where the recipe says so.
        torch.set_float32_matmul_precision("high" if recipe.precision == "tf32" else "highest")
        torch.backends.cudnn.allow_tf32 = recipe.precision == "tf32"
        # Phases whose first step shows whether compiled networks can do what it asks for.
        self._on_trial: set[str] = set()
        if switches.is_on("compile"):
            compiled.compile_networks(method)
            self._on_trial = set(self.phases)
            self.compiled = "compiled"

    @property
    def how(self) -> str:
        """How steps are run, whether networks are compiled, and which other switches change what runs."""
        streams = "streams" if switches.is_on("streams") and self.device.type == "cuda" else ""
        fused = any(
            isinstance(optimiser, OptimisticAdam) and optimiser.fused
            for optimiser in self.optimisers.values()
        )
        return ", ".join(filter(None, [self.backend, self.compiled, streams, "fused oadam" if fused else ""]))

    def size(self, phase: Phase) -> int:
        """Return how many samples a step of `phase` sees, over all processes."""
        own = phase.batch_size or self.recipe.with_batch_of(phase.name).batch_size
        return self.stage.batch_size or own

    def sizes(self) -> tuple[int, ...]:
        """Return the sizes of the batches that one iteration draws, in order."""
        return tuple(
            self.size(phase)
            for phase in self.phases.values()
            if phase.fresh
            for _ in range(phase.repeat)
        ) or (self.recipe.batch_size,)  # fmt: skip

    def own_size(self, phase: Phase) -> int:
        """Return how many samples a step of `phase` sees in this process."""
        return self.size(phase)

    def begin(self, iteration: int) -> None:
        """Do what an iteration, counted from 0, begins with: rates, weights and what the method draws anew."""
        self._follow_schedules(iteration)
        self.method.begin(iteration, self.device)

    def iterate(self, next_batch: Callable[[], Batch]) -> Iterator[tuple[str, Tensor]]:
        """Go through the steps of an iteration that has begun; yield the phase and the loss of each.

        `next_batch` returns this process's share of the data's next batch. Noise is drawn for each step.
        """
        batch: Batch | None = None
        for name, phase in self.phases.items():
            for _ in range(phase.repeat):
                if phase.fresh or batch is None:
                    batch = self._with_noise(next_batch(), phase)
                yield name, self.update(name, batch)

    def _with_noise(self, batch: Batch, phase: Phase) -> Batch:
        return batch.with_noise(self.method.draw(phase.name, self.own_size(phase), self.device))

    def _follow_schedules(self, iteration: int) -> None:
        """Set the learning rates of an iteration."""
        for name, (rate, schedule) in self.schedules.items():
            for group in self.optimisers[name].param_groups:
                now = rate * schedule.at(iteration)
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(now)
                else:
                    group["lr"] = now

    def update(self, name: str, batch: Batch) -> Tensor:
        """Move the weights of the phase called `name` by one step, and the running average if they are kept."""
        return self._plain_update(name, batch)

    def sampling_networks(self) -> nn.Module:
        """The networks to sample from: the averaged ones where the recipe averages."""
        return self.average.module if self.average is not None else self.kept

    def _plain_update(self, name: str, batch: Batch) -> Tensor:
        if name not in self._on_trial:
            return self._update_kernel_by_kernel(name, batch)
        from gantry.training.snapshot import Snapshot

        before = Snapshot(self)
        try:
            loss = self._update_kernel_by_kernel(name, batch)
            self._on_trial.discard(name)
            return loss
        except Exception as error:  # of whatever kind: the plain way is there
            compiled.take_back(self.method)
            said = (str(error).strip().splitlines() or [""])[0]
            self.compiled = f"not compiled ({type(error).__name__}: {said[:200]})"
            tell(f"networks are not compiled: {type(error).__name__}: {said}; training goes on without")
        self._on_trial = set()
        before.restore()
        return self._update_kernel_by_kernel(name, batch)

    def _update_kernel_by_kernel(self, name: str, batch: Batch) -> Tensor:
        # Without gradients of weights that stand still: of D's, in the generators' phase, a third of the backward pass.
        for weight in self._still[name]:
            weight.requires_grad_(False)
        try:
            with self._cast():
                loss = self.method.loss(name, batch)
            loss = self._descend(loss, self.optimisers[name])
        finally:
            for weight in self._still[name]:
                weight.requires_grad_(True)
        self.method.after(name)
        if self.average is not None and name == self._averaged_after:
            follow(self.average, self.kept, self.decay)
        return loss

    def _descend(self, loss: Tensor | Sequence[Part], optimiser: torch.optim.Optimizer) -> Tensor:
        optimiser.zero_grad(set_to_none=True)
        if isinstance(loss, Tensor):
            loss.backward()
            loss = loss.detach()
        else:
            loss = self._gradients_of_parts(loss)
        self._before_moving(loss, optimiser)
        optimiser.step()
        return loss

    def _gradients_of_parts(self, parts: Sequence[Part]) -> Tensor:
        """Give every weight the gradient of the parts that move it; return the sum of all."""
        for number, part in enumerate(parts, 1):
            weights = parameters_of(self.method, part.trains)
            gradients = torch.autograd.grad(
                part.loss, weights, retain_graph=number < len(parts), allow_unused=True
            )
            for weight, gradient in zip(weights, gradients, strict=True):
                if gradient is not None:
                    weight.grad = gradient if weight.grad is None else weight.grad + gradient
        return torch.stack([part.loss.detach() for part in parts]).sum()

    def _before_moving(self, loss: Tensor, optimiser: torch.optim.Optimizer) -> None:
        """What happens between gradient and optimiser: nothing, unless several processes train together."""

    def _cast(self) -> AbstractContextManager[object]:
        if self.precision == "bf16":
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return nullcontext()

    def _last_phase_of(self, kept: nn.Module) -> str | None:
        """The phase after whose steps the average follows: the last of an iteration that moves a weight of `kept`."""
        wanted = {id(weight) for weight in kept.parameters()}
        found = None
        for name, phase in self.phases.items():
            if any(id(weight) in wanted for weight in parameters_of(self.method, phase.trains)):
                found = name
        return found


def parameters_of(method: Method, names: Sequence[str]) -> list[nn.Parameter]:
    """Return the weights of the submodules with these names."""
    return [weight for name in names for weight in method.get_submodule(name).parameters()]


def _without(weights: Sequence[nn.Parameter], others: Sequence[nn.Parameter]) -> list[nn.Parameter]:
    left_out = {id(weight) for weight in others}
    return [weight for weight in weights if id(weight) not in left_out]


@torch.no_grad()
def follow(average: AveragedModel, network: nn.Module, decay: float) -> None:
    """a ← decay·a + (1 − decay)·w, but a = w after the first update; buffers are copied.

    Whether this is the first is decided on the device: `average.update_parameters` would ask, and wait.
    """
    averages: list[Tensor] = list(average.module.parameters())
    weights: list[Tensor] = list(network.parameters())
    share = torch.where(average.n_averaged == 0, 1.0, 1.0 - decay).to(weights[0].dtype)
    changes = torch._foreach_sub(weights, averages)
    torch._foreach_mul_(changes, share)
    torch._foreach_add_(averages, list(changes))
    for kept, buffer in zip(average.module.buffers(), network.buffers(), strict=True):
        kept.copy_(buffer)
    average.n_averaged += 1
