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

    @torch.no_grad()
    def expect(self, start: "Snapshot", share: float) -> None:
        """Raise RuntimeError where the step is now further from here than `share` of the way from `start` to here.

        Distances are Euclidean, over all weights of a module, all its buffers, all moments of a kind, and are
        computed on the step's device. Whole numbers, such as BatchNorm's count of batches, have to be equal.
        """
        now = dict(named_state(self.step)) | self.step.method.objective_state()
        kept, before = self.values | self.objective, start.values | start.objective
        distance: dict[str, Tensor] = {}
        way: dict[str, Tensor] = {}
        for name, value in now.items():
            if not kept[name].isfinite().all():
                continue
            expected = kept[name].to(value.device)
            if not value.is_floating_point():
                if not torch.equal(value, expected):
                    raise RuntimeError(
                        f"replayed, {name} is {value.tolist()}, and should be {expected.tolist()}"
                    )
                continue
            began = before.get(name)
            if began is None or began.shape != value.shape:
                began = torch.zeros_like(value)
            kind = name.partition("/")[0]
            difference = (value.double() - expected.double()).square().sum()
            path = (expected.double() - began.to(value.device).double()).square().sum()
            distance[kind] = distance[kind] + difference if kind in distance else difference
            way[kind] = way[kind] + path if kind in way else path
        for kind, squared in distance.items():
            found, of = squared.item(), way[kind].item()
            if not found <= share**2 * of:
                raise RuntimeError(
                    f"replayed, the {kind} are {found**0.5:.3g} from where they should be, on a way of {of**0.5:.3g}"
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
