"""One translator between all classes, or attributes, of a set. Choi et al. 2018; He et al. 2019 (AttGAN)."""

import torch
from torch import Tensor

from gantry.data.shape import DataShape
from gantry.methods.adversary import Adversary
from gantry.methods.base import Phase, game_phases, register
from gantry.methods.batch import Batch
from gantry.methods.relabelling import Relabelling
from gantry.networks import build_discriminator
from gantry.networks.translators import LabelHeads
from gantry.objectives import build_objective
from gantry.plan.methods.stargan import Options
from gantry.plan.recipe import Recipe
from gantry.terms import build_terms
from gantry.terms import translation as losses
from gantry.terms.labels import AskedLabels, OwnLabels


@register("stargan")
class Stargan(Relabelling):
    """L_adv + λ_cls·E −log D_cls(c | G(x, c)) + λ_rec·E‖x − G(G(x, c), c′)‖₁, c′ being the labels of x. Eqs. 2 to 6.

    c is another sample's of the batch: its labels, permuted. AttGAN has λ_self·E‖x − G(x, c′)‖₁ in the place of λ_rec's
    (He et al. 2019, eqs. 1 to 8), and another weight of the labels for D.
    """

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        super().__init__(recipe, data)
        options: Options = recipe.method  # type: ignore[assignment]
        self.options = options
        discriminator = LabelHeads(
            build_discriminator(recipe.networks, data.sample, 1), data.sample, self.labels
        )
        for_discriminator, for_generator = build_terms(recipe.terms, recipe.objective, data.sample)
        # With λ_cls = 0 D still learns the labels, and G has no reason to heed its own: the control.
        asked = [(options.classification, AskedLabels())] if options.classification else []
        own = options.discriminator_classification or options.classification or 1.0
        self.adversary = Adversary(
            discriminator,
            build_objective(recipe.objective),
            [*for_discriminator, (own, OwnLabels())],
            [*for_generator, *asked],
        )

    @property
    def phases(self) -> tuple[Phase, ...]:
        return game_phases(self.recipe.updates, "translator")

    def draw(self, phase: str, size: int, device: torch.device) -> dict[str, Tensor]:
        return {"order": torch.randperm(size, device=device)}

    def loss(self, phase: str, batch: Batch) -> Tensor:
        own = batch.labels
        assert own is not None
        asked = own[batch.noise["order"]]
        if phase == "discriminator":
            with torch.no_grad():
                there = self.translator(batch.x, asked)
            return self.adversary.discriminator_loss(batch.x, [there], self.translator, own, [asked])
        there = self.translator(batch.x, asked)
        loss = self.adversary.generator_loss(batch.x, [there], self.translator, own, [asked])
        if self.options.cycle:
            loss = loss + self.options.cycle * losses.cycle(self.translator(there, own), batch.x)
        if self.options.self_reconstruction:
            itself = losses.identity(self.translator(batch.x, own), batch.x)
            loss = loss + self.options.self_reconstruction * itself
        return loss
