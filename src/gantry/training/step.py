"""One update of a player: loss, gradient, optimiser. Precision and averaging are decided here."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gantry.plan.recipe import Recipe
from gantry.training.game import Game
from gantry.training.optimisers import build_optimiser
from gantry.training.unroll import LookAhead


class Step:
    """The two updates of a game.

    `discriminator(real, views)` and `generator(real, views)` return their loss as a detached scalar on
    the device, without waiting for it.
    """

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
        self.average = (
            AveragedModel(game.generators, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema))
            if recipe.ema > 0
            else None
        )
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
        with self._cast():
            loss = self.generator_loss(real, views)
        loss = self._descend(loss, self.optimiser_g)
        self.game.discriminator.requires_grad_(True)
        if self.average is not None:
            self.average.update_parameters(self.game.generators)
        return loss

    def sampling_generators(self) -> nn.Module:
        """The generators to sample from: the averaged ones where the recipe averages."""
        return self.average.module if self.average is not None else self.game.generators

    @staticmethod
    def _descend(loss: Tensor, optimiser: torch.optim.Optimizer) -> Tensor:
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        return loss.detach()

    def _cast(self) -> AbstractContextManager[object]:
        if self.precision == "bf16":
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return nullcontext()
