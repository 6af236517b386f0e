"""A recipe's K generators, one after the other and as one batched call (vmap): forward and backward. See gpu.py."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from gantry.networks import build_generator
from gantry.plan.recipe import Recipe
from gpu_peaks import TURNS
from gpu_steps import shape_of
from timing import turn


def one_after_the_other(generators: nn.ModuleList, z: Tensor) -> Callable[[], Tensor]:
    """As `Adversarial.generate` has it; returns the gradients' root of summed squares, to be compared."""
    weights = list(generators.parameters())

    def passes() -> Tensor:
        loss = torch.stack([generator(z) for generator in generators]).square().mean()
        return norm(torch.autograd.grad(loss, weights))

    return passes


def batched(generators: nn.ModuleList, z: Tensor) -> Callable[[], Tensor]:
    """The same by vmap over stacked weights and buffers."""
    weights, buffers = stack_module_state(list(generators))  # type: ignore[arg-type]
    skeleton = copy.deepcopy(generators[0]).to("meta")
    named = list(weights.values())

    def one(own: dict[str, Tensor], state: dict[str, Tensor], z: Tensor) -> Tensor:
        return functional_call(skeleton, (own, state), (z,))

    together = torch.vmap(one, in_dims=(0, 0, None), randomness="different")

    def passes() -> Tensor:
        loss = together(weights, buffers, z).square().mean()
        return norm(torch.autograd.grad(loss, named))

    return passes


def norm(gradients: tuple[Tensor, ...]) -> Tensor:
    return torch.stack([gradient.float().square().sum() for gradient in gradients]).sum().sqrt()


def graphed(passes: Callable[[], Tensor], device: torch.device) -> Callable[[], object]:
    """The passes as a CUDA graph, as training runs them; on a CPU as they are."""
    if device.type != "cuda":
        return passes
    side = torch.cuda.Stream(device)
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side):
        for _ in range(3):
            passes()
    torch.cuda.current_stream(device).wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        passes()
    return graph.replay


def compared(
    name: str, recipe: Recipe, resolution: int | None, count: int, seconds: float, device: torch.device
) -> dict[str, Any]:
    """Milliseconds of both ways, best of their turns, and how far apart their gradients' norms are."""
    torch.manual_seed(0)
    generators = nn.ModuleList(
        build_generator(recipe.networks, recipe.latent.dimension, shape_of(resolution)) for _ in range(count)
    )
    generators.to(device, memory_format=torch.channels_last).train()
    z = torch.randn(recipe.batch_size, recipe.latent.dimension, device=device)
    ways = {"loop": one_after_the_other(generators, z), "vmap": batched(generators, z)}
    norms = {way: passes().item() for way, passes in ways.items()}
    contestants = {way: graphed(passes, device) for way, passes in ways.items()}
    times = dict.fromkeys(ways, float("inf"))
    for _ in range(TURNS):
        for way, passes in contestants.items():
            times[way] = min(times[way], turn(passes, seconds, device))
    return {
        "recipe": name,
        "size": resolution or "2-D",
        "generators": count,
        "loop_ms": 1e3 * times["loop"],
        "vmap_ms": 1e3 * times["vmap"],
        "speed_up": times["loop"] / times["vmap"],
        "difference": abs(norms["vmap"] / norms["loop"] - 1),
    }
