"""What a method computes and holds, counted from its own phases, run on tensors that have a shape and no numbers.

Counted are products of matrices and convolutions by PyTorch's own formulas, forward, backward, and through gradients
of gradients, wherever a phase runs them; and, of these as of elementwise work, how many there are and what they read
and write. The optimiser's work is left out. Of memory, what is alive at once is followed tensor by tensor, as an
allocator would see it.
"""

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    FakeTensorMode,
    unset_fake_temporarily,
)
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from gantry.data.batches import Stream
from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.methods import Batch, Method, Phase, Stage, build_method
from gantry.plan.blocks.players import Optimiser
from gantry.plan.costs import Cost, StageCost
from gantry.plan.recipe import Recipe
from gantry.training.optimisers import build_optimiser
from gantry.training.step import parameters_of

CPU = torch.device("cpu")
ROWS = 100_000  # of the set that stands in for the prepared one
# What an optimiser remembers of each weight, apart from momentum.
MOMENTS = {"adam": 2, "oadam": 3, "sgd": 0, "rmsprop": 1}


def count(recipe: Recipe, data: DataShape) -> Cost:
    """Return what a method of `recipe` on data of that shape computes an iteration, and the numbers that it holds."""
    # Constants that a module made when it was imported are real ones.
    with FakeTensorMode(allow_non_fake_inputs=True):
        method = build_method(recipe, data).train()
        method.bind({phase.name: _optimiser(method, phase) for phase in method.phases})
        with unset_fake_temporarily():  # what an iteration draws on the host needs its numbers
            method.begin(0, CPU)
        streams = method.streams(_placeholder(data))
        stages = tuple(_stage(method, stage, streams) for stage in method.stages())
        kept = _numbers(method.kept)
        moments = sum(
            _moments(method.optimiser(phase.name)[0]) * _weights(method, phase) for phase in method.phases
        )
        state = _numbers(method) + moments + (kept if recipe.ema else 0)
        weights = sum(parameter.numel() for parameter in method.parameters())
        return Cost(stages, weights, state, kept, _sources(method))


def _sources(method: Method) -> int:
    """Return how many sources of samples there are; one where a sampler reads from weights how far they have grown."""
    try:
        return len(method.sampler(method.kept).sources)
    except DataDependentOutputException:
        return 1


class Counter(TorchDispatchMode):
    """Floating-point operations, the most bytes of results alive at once, and calls with the bytes that they move."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = self.bytes = self.most_bytes = self.calls = self.moved = 0
        self._alive: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        formula = FORMULAS.get(func._overloadpacket)
        if formula is not None:
            self.flops += formula(*args, **(kwargs or {}), out_val=made)
        read, written = _tensors((args, kwargs)), _tensors(made)
        for result in written:
            self._follow(result.untyped_storage())
        self.most_bytes = max(self.most_bytes, self.bytes)
        # A view has the storage of what it is of, and costs next to nothing.
        inputs = {tensor.untyped_storage()._cdata for tensor in read}
        if func._schema.is_mutable or any(
            result.untyped_storage()._cdata not in inputs for result in written
        ):
            self.calls += 1
            self.moved += sum(tensor.numel() * tensor.element_size() for tensor in (*read, *written))
        return made

    def watch_from_now(self, method: nn.Module) -> None:
        """Leave out of the bytes what is there before a phase begins."""
        for weight in (*method.parameters(), *method.buffers()):
            self._alive.add(weight.untyped_storage()._cdata)

    def _follow(self, storage: Any) -> None:
        """Count a result's bytes until it dies; views and what is written in place have storages that are known."""
        key, size = storage._cdata, storage.nbytes()
        if key not in self._alive:
            self._alive.add(key)
            self.bytes += size
            weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._alive.discard(key)
        self.bytes -= size


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _linear(a: Tensor, b: Tensor, *others: Any, out_val: Tensor) -> int:
    """oneDNN's a (m, k) · bᵀ (k, n), of which PyTorch has no formula."""
    return 2 * a.shape[0] * a.shape[1] * b.shape[0]


FORMULAS: Mapping[Any, Callable[..., int]] = flop_registry | {torch.ops.mkldnn._linear_pointwise: _linear}


def _stage(method: Method, stage: Stage, streams: Mapping[str, Stream]) -> StageCost:
    """Count one iteration of a stage."""
    method.enter(stage)
    flops = most = calls = moved = 0
    for phase in method.phases:
        if phase.repeat and (stage.phases is None or phase.name in stage.phases):
            with _others_standing_still(method, phase), Counter() as counter:
                counter.watch_from_now(method)
                _gradients(method, phase, _batch(method, phase, stage, streams))
            method.zero_grad(set_to_none=True)
            flops += phase.repeat * counter.flops
            calls += phase.repeat * counter.calls
            moved += phase.repeat * counter.moved
            most = max(most, counter.most_bytes)
    return StageCost(stage.start, float(flops), most, calls, float(moved))


def _batch(method: Method, phase: Phase, stage: Stage, streams: Mapping[str, Stream]) -> Batch:
    """Return a batch of that stage's size."""
    own = phase.batch_size or method.recipe.with_batch_of(phase.name).batch_size
    size, data, labels = stage.batch_size or own, {}, None
    for name, stream in streams.items():
        data[name] = torch.empty(size, *method.data.sample)
        for beside in stream.beside:
            if beside == "inputs":
                data["input" if name == "x" else f"{name}_inputs"] = torch.empty(
                    size, *(method.data.input or ())
                )
            elif name == "x":
                labels = _labels(method.data, size)
            else:
                data[f"{name}_labels"] = _labels(method.data, size)
    return Batch(data, labels, method.draw(phase.name, size, CPU))


def _labels(data: DataShape, size: int) -> Tensor:
    columns = data.attributes or data.vectors
    return torch.zeros(size, columns) if columns else torch.zeros(size, dtype=torch.int64)


def _gradients(method: Method, phase: Phase, batch: Batch) -> None:
    """Run the loss of a phase and its gradients, as a step does."""
    with torch.autocast("cpu", torch.bfloat16) if method.recipe.precision == "bf16" else nullcontext():
        loss = method.loss(phase.name, batch)
    if isinstance(loss, Tensor):
        if loss.requires_grad:
            loss.backward()
        return
    for number, part in enumerate(loss, 1):
        weights = [weight for weight in parameters_of(method, part.trains) if weight.requires_grad]
        more = number < len(loss)
        gradients = torch.autograd.grad(part.loss, weights, retain_graph=more, allow_unused=True)
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient


@contextmanager
def _others_standing_still(method: Method, phase: Phase) -> Iterator[None]:
    """Without gradients of weights that the phase leaves alone, as a step has it."""
    moved = {id(weight) for weight in parameters_of(method, phase.trains)}
    still = [
        parameter
        for parameter in method.parameters()
        if parameter.requires_grad and id(parameter) not in moved
    ]
    for weight in still:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in still:
            weight.requires_grad_(True)


def _placeholder(data: DataShape) -> PreparedSet:
    """Return a set of that shape without a byte of its own."""
    labels: Any = None
    if data.attributes:
        # Of each attribute some have it and some do not: methods refuse others.
        labels = np.broadcast_to((np.arange(ROWS, dtype=np.uint8) % 2)[:, None], (ROWS, data.attributes))
    elif data.vectors:
        several = (data.captions,) if data.captions else ()
        labels = np.broadcast_to(np.float32(0), (ROWS, *several, data.vectors))
    elif data.classes:
        labels = np.arange(ROWS) % data.classes
    is_points = len(data.sample) == 1
    shape = data.sample if is_points else (*data.sample[1:], data.sample[0])
    samples: Any = np.broadcast_to(np.uint8(0), (ROWS, *shape))
    inputs: Any = None
    if data.input is not None:
        inputs = np.broadcast_to(np.uint8(0), (ROWS, *data.input[1:], data.input[0]))
    told = {"name": "a set of this shape", "kind": "points" if is_points else "images", "digest": ""}
    return PreparedSet(Path(), told | {"label_names": list(data.label_names)}, samples, labels, inputs)


def _optimiser(method: Method, phase: Phase) -> torch.optim.Optimizer:
    block, rate = method.optimiser(phase.name)
    return build_optimiser(block, parameters_of(method, phase.trains), rate)


def _numbers(module: nn.Module) -> int:
    return sum(value.numel() for value in module.state_dict().values())


def _weights(method: Method, phase: Phase) -> int:
    return sum(weight.numel() for weight in parameters_of(method, phase.trains))


def _moments(block: Optimiser) -> int:
    return MOMENTS[block.name] + (block.momentum > 0)
