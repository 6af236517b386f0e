"""One recipe's step, captured, plain and eager, in turns: times, FLOPs, bytes, memory. See gpu.py."""

import gc
import itertools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from gantry.data.shape import DataShape
from gantry.methods import Batch, build_method
from gantry.plan.recipe import Recipe
from gantry.system.switches import turned_on
from gantry.training.capture import build_step
from gantry.training.counting import count as cost_of
from gantry.training.step import Step
from gpu_peaks import TURNS, products_in
from plain_loop import plain_loop
from timing import synchronised, turn

Iteration = Callable[[], object]


class Count(TorchDispatchMode):
    """FLOPs of the kernels of a step, and the bytes that they move if each tensor goes to memory and back.

    `FlopCounterMode` has the same formulas, but its hooks on modules do not bear a gradient inside of a loss.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0
        self.bytes = 0

    def __torch_dispatch__(self, kernel: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = kernel(*args, **(kwargs or {}))
        formula = flop_registry.get(kernel.overloadpacket)
        if formula is not None:
            self.flops += formula(*args, **(kwargs or {}), out_val=result)
        if not kernel.is_view:
            tensors = [x for x in tree_leaves((args, kwargs, result)) if isinstance(x, Tensor)]
            self.bytes += sum(x.numel() * x.element_size() for x in tensors)
        return result


def shape_of(resolution: int | None) -> tuple[int, ...]:
    """The shape of one sample."""
    return (2,) if resolution is None else (3, resolution, resolution)


def ours(step: Step, recipe: Recipe, resolution: int | None, device: torch.device) -> Iteration:
    """One iteration of Gantry on standing data, in the order of memory that batches have."""
    real = torch.rand(recipe.batch_size, *shape_of(resolution), device=device) * 2 - 1
    if resolution:
        real = real.to(memory_format=torch.channels_last)

    numbers = itertools.count()

    def iteration() -> None:
        step.begin(next(numbers))
        for _ in step.iterate(lambda: Batch({"x": real})):
            pass

    return iteration


def quickest(recipe: Recipe, resolution: int | None, device: torch.device) -> tuple[Step, Iteration]:
    """Our step as a training run has it, and one iteration of it."""
    method = build_method(recipe, DataShape(shape_of(resolution))).to(device).train()
    step = build_step(method, recipe, device)
    return step, ours(step, recipe, resolution, device)


def counted(iteration: Iteration) -> Count:
    """FLOPs and bytes of one iteration."""
    # oneDNN's own linear layer, which CPUs get, is none that PyTorch has a formula for.
    with torch.backends.mkldnn.flags(enabled=False), Count() as count:
        iteration()
    return count


def measure(
    name: str,
    recipe: Recipe,
    resolution: int | None,
    seconds: float,
    device: torch.device,
    switches: Sequence[str] = (),
    profile: Path | None = None,
) -> dict[str, Any]:
    """Measure one recipe at its precision; its row of the table. The captured step's kernels go to `profile`."""
    torch.manual_seed(0)
    memory: dict[str, int] = {}
    rounds: dict[str, Iteration] = {}
    first_step, how = 0.0, ""
    switched_how: dict[str, str] = {}
    for which in ("eager", "plain", "captured", *(each for each in switches if changes(each, recipe))):
        before = _fresh_memory(device)
        start = time.perf_counter()
        if which == "eager":
            with products_in(recipe.precision):
                rounds[which] = plain_loop(recipe, shape_of(resolution), device).iteration
                rounds[which]()
        elif which == "plain":
            step = Step(
                build_method(recipe, DataShape(shape_of(resolution))).to(device).train(), recipe, device
            )
            rounds[which] = ours(step, recipe, resolution, device)
            rounds[which]()
        else:
            with turned_on(() if which == "captured" else which.split("+")):
                step, rounds[which] = quickest(recipe, resolution, device)
                rounds[which]()
                if "whole_iterations" in which:  # a run's first one is plain
                    rounds[which]()
            synchronised(device)
            if which == "captured":
                first_step, how = time.perf_counter() - start, step.how
            else:
                switched_how[f"{which}_how"] = step.how
        memory[which] = _reserved(device) - before
    count = counted(rounds["plain"])
    times = dict.fromkeys(rounds, float("inf"))
    for _ in range(TURNS):
        for which, iteration in rounds.items():
            # Beside autocast our step keeps to float32; see `Step`.
            own = "fp32" if recipe.precision == "bf16" else recipe.precision
            with products_in(recipe.precision if which == "eager" else own):
                times[which] = min(times[which], turn(iteration, seconds, device))
    if profile is not None:
        profiled(rounds["captured"], device, profile)
    return {
        "recipe": name,
        "size": resolution or "2-D",
        "batch": recipe.batch_size,
        "precision": recipe.precision,
        "gflop": count.flops / 1e9,
        "gflop_planned": cost_of(recipe, DataShape(shape_of(resolution))).flops(1) / 1e9,
        "gbyte": count.bytes / 1e9,
        **{f"{which}_ms": 1e3 * each for which, each in times.items()},
        "times_plain": times["plain"] / times["captured"],
        "times_eager": times["eager"] / times["captured"],
        "tflops": count.flops / times["captured"] / 1e12,
        "images_per_second": recipe.batch_size / times["captured"],
        **{f"{which}_mib": each / 2**20 for which, each in memory.items()},
        "first_step_s": first_step,
        "how": how,
        **switched_how,
    }


def _fresh_memory(device: torch.device) -> int:
    """Give back what is not in use, and begin to watch for the peak; bytes taken at present."""
    gc.collect()
    if device.type != "cuda":
        return 0
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    return torch.cuda.memory_reserved(device)


def _reserved(device: torch.device) -> int:
    """Peak bytes that PyTorch has taken from the GPU, graphs included; 0 on a CPU."""
    return torch.cuda.max_memory_reserved(device) if device.type == "cuda" else 0


def profiled(iteration: Iteration, device: torch.device, path: Path) -> None:
    """Write the longest kernels of ten iterations."""
    with torch.profiler.profile() as profile:
        for _ in range(10):
            iteration()
        synchronised(device)
    key = "self_cuda_time_total" if device.type == "cuda" else "self_cpu_time_total"
    path.write_text(profile.key_averages().table(sort_by=key, row_limit=30, max_name_column_width=80) + "\n")


def changes(switch: str, recipe: Recipe) -> bool:
    """Whether switches (one, or several with + between) can change a recipe's step."""
    needs = {"streams": recipe.generators > 1, "fused_oadam": recipe.optimiser.name == "oadam"}
    return any(needs.get(name, True) for name in switch.split("+"))
