"""Two translators that learn without pairs. Zhu et al. 2017; Yi et al. 2017 (DualGAN); Kim et al. 2017 (DiscoGAN)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from gantry.data.batches import Stream
from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.methods.adversary import Adversary
from gantry.methods.base import Method, Phase, game_phases, register
from gantry.methods.batch import Batch
from gantry.methods.domains import domains_of, streams_of
from gantry.methods.pool import Pool
from gantry.methods.sampler import Sampler
from gantry.methods.translating import TranslationSampler
from gantry.networks import build_discriminator, build_translator
from gantry.networks.translators import at_depths
from gantry.plan.methods.cyclegan import Options
from gantry.plan.recipe import Recipe
from gantry.terms import translation as losses

A_TO_B, B_TO_A = "a→b", "b→a"


class Journey(NamedTuple):
    """What one batch goes through: x of one domain, G(x), F(G(x)), and real samples y of the domain it goes to."""

    x: Tensor
    there: Tensor
    back: Tensor
    y: Tensor
    adversary: Adversary


@register("cyclegan")
class Cyclegan(Method):
    """Σ over both directions of L_adv(G(x)) + λ·E‖F(G(x)) − x‖ + λ_id·E‖G(y) − y‖. Zhu et al. 2017, eqs. 1 to 3."""

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        super().__init__(recipe, data)
        options: Options = recipe.method  # type: ignore[assignment]
        self.options = options
        self.domains = domains_of(data, options.domains)
        if data.input not in (None, data.sample):
            raise UserError(
                f"method cyclegan: inputs have shape {data.input} and outputs {data.sample}: there and back goes "
                "between domains of one shape; take method pix2pix, or another degradation"
            )
        shape = data.sample
        self.to_b, self.to_a = (build_translator(recipe.networks, shape, shape) for _ in range(2))
        self.of_b, self.of_a = (
            Adversary.of(
                recipe,
                build_discriminator(recipe.networks, shape, 1),
                shape,
                pool=Pool(options.pool, shape) if options.pool else None,
            )
            for _ in range(2)
        )
        # r of DiscoGAN, on the device: a graph reads it anew.
        self.share: Tensor
        self.register_buffer("share", torch.zeros(()), persistent=False)

    @property
    def phases(self) -> tuple[Phase, ...]:
        return game_phases(self.recipe.updates, "to_b", "to_a", adversaries=("of_b", "of_a"))

    def streams(self, prepared: PreparedSet) -> dict[str, Stream]:
        return streams_of(prepared, *self.domains)

    def refill(self, iteration: int) -> None:
        super().refill(iteration)
        if (balance := self.options.balance) is not None:
            self.share.fill_(balance.before if iteration < balance.start else balance.after)

    def draw(self, phase: str, size: int, device: torch.device) -> dict[str, Tensor]:
        return {}

    def loss(self, phase: str, batch: Batch) -> Tensor:
        a, b = batch.data["x_a"], batch.x
        if phase == "discriminator":
            with torch.no_grad():
                in_b, in_a = self.to_b(a), self.to_a(b)
            of_b = self.of_b.discriminator_loss(b, [in_b], self.to_b)
            return of_b + self.of_a.discriminator_loss(a, [in_a], self.to_a)
        in_b, in_a = self.to_b(a), self.to_a(b)
        there_and_back = Journey(a, in_b, self.to_a(in_b), b, self.of_b)
        back_and_there = Journey(b, in_a, self.to_b(in_a), a, self.of_a)
        loss = self.of_journey(there_and_back) + self.of_journey(back_and_there)
        if self.options.identity:
            itself = losses.identity(self.to_b(b), b) + losses.identity(self.to_a(a), a)
            loss = loss + self.options.identity * itself
        return loss

    def of_journey(self, journey: Journey) -> Tensor:
        """Return what one direction adds to the translators' loss: (1 − r)·(L_adv + L_FM) + r·L_cycle, or their sum."""
        x, there, back, y, adversary = journey
        options = self.options
        played = options.adversarial * adversary.generator_loss(y, [there])
        if options.feature_matching:
            depths = [at_depths(adversary.discriminator, images) for images in (y, there)]
            played = played + options.feature_matching * losses.mean_feature_matching(*depths)
        returned = options.cycle * losses.cycle(back, x, options.distance)
        if options.balance is None:
            return played + returned
        return (1 - self.share) * played + self.share * returned

    @property
    def kept(self) -> nn.Module:
        return nn.ModuleDict({"to_b": self.to_b, "to_a": self.to_a})

    def sampler(self, kept: nn.Module) -> Sampler:
        a, b = self.domains
        networks = {A_TO_B: kept.get_submodule("to_b"), B_TO_A: kept.get_submodule("to_a")}
        return TranslationSampler(networks, {A_TO_B: (a, b), B_TO_A: (b, a)})
