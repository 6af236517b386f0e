"""Everything that steps change, copied aside, put back in place, and compared."""

from collections.abc import Iterator

import torch
from torch import Tensor

from gantry.training.state import random_state, restore_random_state
from gantry.training.step import Step


class Snapshot:
    """A step's weights, buffers, moments, averages and objectives, and the random generators, on the host."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.values = {name: value.detach().to("cpu", copy=True) for name, value in named_state(step)}
        self.objective = {
            name: value.to("cpu", copy=True) for name, value in step.method.objective_state().items()
        }
        self.random = random_state(step.device)

    @torch.no_grad()
    def restore(self) -> None:
        """Put everything back, into the same memory; what has come into being since starts at 0, as it did."""
        for name, value in named_state(self.step):
            kept = self.values.get(name)
            if kept is None or kept.shape != value.shape:
                value.zero_()
            else:
                value.copy_(kept)
        self.step.method.load_objective_state(self.objective)
        restore_random_state(self.random, self.step.device)

    def expect(self, other: "Snapshot", start: "Snapshot", share: float) -> None:
        """Raise RuntimeError where this is further from `other` than `share` of the way from `start` to there.

        Distances are Euclidean, over all weights of a module, all its buffers, all moments of a kind.
        """
        distance: dict[str, float] = {}
        way: dict[str, float] = {}
        for name, value in (self.values | self.objective).items():
            expected = other.values[name] if name in other.values else other.objective[name]
            before = start.values.get(name, start.objective.get(name))
            if before is None or before.shape != value.shape:
                before = torch.zeros_like(value)
            if not expected.isfinite().all():
                continue
            kind = name.partition("/")[0]
            difference, path = (value.double() - expected.double()), (expected.double() - before.double())
            distance[kind] = distance.get(kind, 0.0) + difference.square().sum().item()
            way[kind] = way.get(kind, 0.0) + path.square().sum().item()
        for kind, squared in distance.items():
            if not squared <= share**2 * way[kind]:
                raise RuntimeError(
                    f"replayed, the {kind} are {squared**0.5:.3g} from where they should be, "
                    f"on a way of {way[kind] ** 0.5:.3g}"
                )


def named_state(step: Step) -> Iterator[tuple[str, Tensor]]:
    """Yield ("kind/name", tensor) for every tensor that a step may change, but for the objectives'."""
    networks = {"method": step.method} | ({} if step.average is None else {"average": step.average})
    for owner, network in networks.items():
        for name, weight in network.named_parameters():
            yield f"weights of {owner} {name.partition('.')[0]}/{name}", weight
        for name, buffer in network.named_buffers():
            yield f"buffers of {owner} {name.partition('.')[0]}/{name}", buffer
    for phase, optimiser in step.optimisers.items():
        for index, group in enumerate(optimiser.param_groups):
            for name, value in group.items():
                if isinstance(value, Tensor):
                    yield f"{name} of {phase}'s optimiser/{index}", value
            for place, weight in enumerate(group["params"]):
                for name, value in optimiser.state.get(weight, {}).items():
                    if isinstance(value, Tensor):
                        yield f"{name} of {phase}'s optimiser/{index} {place}", value
