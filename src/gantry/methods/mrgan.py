"""MRGAN: modes that the generator leaves out are asked for by reconstructions. Che et al. 2017, section 3."""

import torch
from torch import Tensor

from gantry.data.shape import DataShape
from gantry.methods.adversary import Adversary
from gantry.methods.base import register
from gantry.methods.batch import Batch
from gantry.methods.encoding import Encoding
from gantry.methods.latents import draw_latents
from gantry.networks import build_discriminator, build_generator
from gantry.networks.encoders import Encoder
from gantry.objectives import build_objective
from gantry.plan.methods.mrgan import Options
from gantry.plan.recipe import Recipe
from gantry.terms import build_terms


@register("mrgan")
class Mrgan(Encoding):
    """L_{G,E} = L_adv(G(z)) + λ₁·E‖x − G(E(x))‖² + λ₂·L_adv(G(E(x))); D sees real samples and G(z).

    Both players have one loss: L_adv(G(z)) does not depend on E. Che et al. 2017, eqs. 1 and 2.
    """

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        super().__init__(recipe, data)
        options = recipe.method
        assert isinstance(options, Options)
        self.options = options
        networks, latent = recipe.networks, recipe.latent.dimension
        self.generator = build_generator(networks, latent, data.sample)
        self.encoder = Encoder(networks, data.sample, latent, gaussian=False)
        objective = build_objective(recipe.objective)
        terms = build_terms(recipe.terms, recipe.objective, data.sample)
        self.adversary = Adversary(build_discriminator(networks, data.sample, 1), objective, *terms)

    def draw(self, phase: str, size: int, device: torch.device) -> dict[str, Tensor]:
        return {"z": draw_latents(self.recipe.latent, size, device)}

    def loss(self, phase: str, batch: Batch) -> Tensor:
        if phase == "discriminator":
            with torch.no_grad():
                fake = self.generator(batch.noise["z"])
            return self.adversary.discriminator_loss(batch.x, [fake], self.generator)
        rebuilt = self.generator(self.encoder(batch.x)[0])
        loss = self.adversary.generator_loss(batch.x, [self.generator(batch.noise["z"])], self.generator)
        if self.options.reconstruction:
            loss = loss + self.options.reconstruction * (batch.x - rebuilt).flatten(1).square().sum(1).mean()
        if self.options.realism:
            loss = loss + self.options.realism * self.adversary.generator_loss(
                batch.x, [rebuilt], self.generator
            )
        return loss
