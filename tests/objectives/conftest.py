"""Discrete distributions, on which a discriminator is a table and every expectation is exact.

A batch that holds each of a few points as often as its probability says has the exact expectation as its mean,
so it is the objective's own code that is tested.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter
from torch import Tensor

from gantry.objectives import Objective, build_objective
from gantry.plan.blocks import objectives as blocks

POINTS, COPIES = 6, 60


def objective_of(**block: Any) -> Objective:
    """The objective of a recipe's `objective` block."""
    return build_objective(TypeAdapter(blocks.Objective).validate_python(block))


def random_counts(seed: int, distributions: int = 2) -> list[Tensor]:
    """How often each point is in the real batch and in each generated one; every point is in each."""
    random = np.random.default_rng(seed)
    return [
        torch.from_numpy(1 + random.multinomial(COPIES, random.dirichlet(np.ones(POINTS))))
        for _ in range(distributions)
    ]


def shares(counts: list[Tensor]) -> list[np.ndarray]:
    """The distributions that batches with these counts stand for."""
    return [(count.double() / count.sum()).numpy() for count in counts]


def batches_of(table: Tensor, counts: list[Tensor]) -> list[Tensor]:
    """D's outputs (B, width) for each batch, from its table (points, width)."""
    return [table.repeat_interleave(count, dim=0) for count in counts]


def minimised(loss: Callable[[Tensor], Tensor], start: Tensor) -> tuple[Tensor, float]:
    """The table that minimises `loss`, and its loss there."""
    table = start.double().clone().requires_grad_()
    optimiser = torch.optim.LBFGS(
        [table], max_iter=500, tolerance_grad=1e-10, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss(table)
        value.backward()
        return value

    optimiser.step(closure)
    return table.detach(), loss(table).item()


def best_discriminator(objective: Objective, counts: list[Tensor], width: int = 1) -> tuple[Tensor, float]:
    """D's best table (points, width) against real and generated batches with `counts`, and its loss."""

    def loss(table: Tensor) -> Tensor:
        real, *fakes = batches_of(table, counts)
        return objective.discriminator_loss(real, fakes)

    return minimised(loss, torch.zeros(POINTS, width))
