"""One run over several processes, a GPU each: what each does on its share of the batch, and what all agree on.

It is gradient accumulation over as many parts of the batch as there are processes, the parts at the same time.
A loss that is a mean over samples is the whole batch's. What looks at a batch as a whole sees a part instead:
BatchNorm, and objectives or terms that compare a batch's samples.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from gantry.errors import UserError
from gantry.methods import Batch, Method, Phase, Stage
from gantry.plan.recipe import Recipe
from gantry.training.step import Step

T = TypeVar("T")


class Distributed:
    """The processes of a run; a single one agrees with itself and sends nothing."""

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank = rank
        self.size = size

    @property
    def is_main_process(self) -> bool:
        """Whether this process writes, for all."""
        return self.rank == 0

    def share(self, batch: Batch) -> Batch:
        """Return this process's rows of a whole batch."""
        return batch.mapped(lambda _, value: value.chunk(self.size)[self.rank])

    def all_reduce_mean(self, tensors: Sequence[Tensor]) -> None:
        """Put the mean over all processes in place of each tensor, in one message for each type of number."""
        for kind in sorted({tensor.dtype for tensor in tensors}, key=str):
            alike = [tensor for tensor in tensors if tensor.dtype == kind]
            message = torch.cat([tensor.reshape(-1) for tensor in alike])
            dist.all_reduce(message)
            message /= self.size
            _unpack(message, alike)

    def broadcast_objectives(self, method: Method) -> None:
        """Have the objectives' state be the main process's, which drew it."""
        self._common(method, lambda message: dist.broadcast(message, 0))

    def average_objectives(self, method: Method) -> None:
        """Have the objectives' state be the mean of all, each of which moved it by its share of the batch."""

        def mean(message: Tensor) -> None:
            dist.all_reduce(message)
            message /= self.size

        self._common(method, mean)

    def all_reduce_max(self, number: int) -> int:
        """Return the largest number of all. On the host: no GPU is waited for."""
        if self.size == 1:
            return number
        numbers = torch.tensor(number)
        dist.all_reduce(numbers, dist.ReduceOp.MAX)
        return int(numbers)

    def all_gather(self, value: T) -> list[T]:
        """Every process's value, in order; values are made of tensors on the host, containers and numbers."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def _common(self, method: Method, make: Any) -> None:
        state: Mapping[str, Tensor] = method.objective_state() if self.size > 1 else {}
        for value in state.values():
            message = value.contiguous()
            make(message)
            value.copy_(message)
        if state:
            method.load_objective_state(state)


def _unpack(message: Tensor, into: Sequence[Tensor]) -> None:
    for part, target in zip(message.split([tensor.numel() for tensor in into]), into, strict=True):
        target.copy_(part.view(target.shape))


class DistributedStep(Step):
    """The steps of all phases, each process on its share: gradients, losses and running statistics are averaged.

    Weights, moments and averages then are the same everywhere, to the bit. Kernel by kernel: no CUDA graph
    holds what the processes tell each other.
    """

    def __init__(
        self,
        method: Method,
        recipe: Recipe,
        device: torch.device,
        distributed: Distributed,
        stage: Stage | None = None,
        before: Step | None = None,
    ) -> None:
        super().__init__(method, recipe, device, stage, before)
        self.distributed = distributed
        self.backend = f"plain ({distributed.size} processes)"

    def own_size(self, phase: Phase) -> int:
        return self.size(phase) // self.distributed.size

    def update(self, name: str, batch: Batch) -> Tensor:
        loss = super().update(name, batch)
        if name == list(self.phases)[-1]:  # in which objectives move
            self.distributed.average_objectives(self.method)
        return loss

    @torch.no_grad()
    def _before_moving(self, loss: Tensor, optimiser: torch.optim.Optimizer) -> None:
        weights = (weight for group in optimiser.param_groups for weight in group["params"])
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        statistics = [buffer for buffer in self.method.buffers() if buffer.is_floating_point()]
        self.distributed.all_reduce_mean([loss, *gradients, *statistics])


def is_member() -> bool:
    """Whether somebody (torchrun, or `launch`) has started this process as one of several."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


@contextmanager
def joined(recipe: Recipe, device: str) -> Iterator[Distributed]:
    """Be one of the recipe's processes, known by torchrun's environment variables.

    Raises UserError if there are more or fewer of them than the recipe says, or not a GPU for each.
    """
    if recipe.processes == 1:
        yield Distributed()
        return
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    if size != recipe.processes:
        raise UserError(
            f"started as one of {size} processes, and the recipe says processes: {recipe.processes}"
        )
    if device == "cuda":
        local, there = int(os.environ.get("LOCAL_RANK", rank)), torch.cuda.device_count()
        if local >= there:
            raise UserError(
                f"processes: {size} takes a GPU each, and PyTorch sees {there}; set processes: {there}"
            )
        torch.cuda.set_device(local)
    # Numbers on the host, such as those that ask to stop, take another way than those on a GPU.
    dist.init_process_group("gloo" if device == "cpu" else "cpu:gloo,cuda:nccl")
    try:
        yield Distributed(rank, size)
    finally:
        dist.destroy_process_group()


def seed_of_member(seed: int, rank: int) -> int:
    """A seed for the randomness of one process; the first one goes on with the run's own."""
    return int.from_bytes(hashlib.sha256(f"member {seed} {rank}".encode()).digest()[:8], "little") >> 1
