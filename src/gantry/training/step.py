"""One update of a player: loss, gradient, optimiser. Precision and averaging are decided here."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from gantry.plan.recipe import Recipe
from gantry.training.game import Game
from gantry.training.optimisers import build_optimiser
from gantry.training.unroll import LookAhead


class Step:
    """The two updates of a game, kernel by kernel. The reference for every faster way (see `capture.py`).

    `discriminator(real, views)` and `generator(real, views)` return their loss as a detached scalar on
    the device, without waiting for it. No part of them waits for the device.
    """

    how: str = "plain"
    """How the updates are run, in words, for the record."""

    def __init__(self, game: Game, recipe: Recipe, device: torch.device) -> None:
        self.game = game
        self.device = device
        self.precision = recipe.precision
        block = recipe.optimiser
        self.optimiser_d = build_optimiser(block, game.discriminator_parameters(), block.lr_d)
        self.optimiser_g = build_optimiser(block, game.generator_parameters(), block.lr_g)
        self.generator_loss = (
            LookAhead(game, self.optimiser_d, recipe.unroll).generator_loss
            if recipe.unroll
            else game.generator_loss
        )
        self.decay = recipe.ema
        # With its count of updates on the device too: a graph that reads one on the host counts no further.
        self.average = AveragedModel(game.generators, device) if recipe.ema > 0 else None
        # Convolutions and matrix products in TF32 only where the recipe says so.
        torch.set_float32_matmul_precision("high" if recipe.precision == "tf32" else "highest")
        torch.backends.cudnn.allow_tf32 = recipe.precision == "tf32"

    def discriminator(self, real: Tensor, views: Sequence[Tensor]) -> Tensor:
        """Move D by one step."""
        with self._cast():
            loss = self.game.discriminator_loss(real, views)
        loss = self._descend(loss, self.optimiser_d)
        self.game.objective.constrain(self.game.discriminator)
        return loss

    def generator(self, real: Tensor, views: Sequence[Tensor]) -> Tensor:
        """Move all generators by one step, and their running average if the recipe has one."""
        # Without gradients of D's weights, which nobody would use: a third of the backward pass.
        self.game.discriminator.requires_grad_(False)
        try:
            with self._cast():
                loss = self.generator_loss(real, views)
            loss = self._descend(loss, self.optimiser_g)
        finally:
            self.game.discriminator.requires_grad_(True)
        if self.average is not None:
            follow(self.average, self.game.generators, self.decay)
        return loss

    def sampling_generators(self) -> nn.Module:
        """The generators to sample from: the averaged ones where the recipe averages."""
        return self.average.module if self.average is not None else self.game.generators

    def _descend(self, loss: Tensor, optimiser: torch.optim.Optimizer) -> Tensor:
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        loss = loss.detach()
        self._before_moving(loss, optimiser)
        optimiser.step()
        return loss

    def _before_moving(self, loss: Tensor, optimiser: torch.optim.Optimizer) -> None:
        """What happens between gradient and optimiser: nothing, unless several processes train together."""

    def _cast(self) -> AbstractContextManager[object]:
        if self.precision == "bf16":
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return nullcontext()


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
