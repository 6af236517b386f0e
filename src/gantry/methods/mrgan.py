"""MRGAN: modes that the generator leaves out are asked for by reconstructions. Che et al. 2017, section 3."""

import torch
from torch import Tensor

from gantry.methods.base import register
from gantry.methods.batch import Batch
from gantry.methods.encoding import Autoencoding
from gantry.plan.methods.mrgan import Options


@register("mrgan")
class Mrgan(Autoencoding):
    """L_{G,E} = L_adv(G(z)) + λ₁·E‖x − G(E(x))‖² + λ₂·L_adv(G(E(x))); D sees real samples and G(z).

    Both players have one loss: L_adv(G(z)) does not depend on E. Che et al. 2017, eqs. 1 and 2.
    """

    options: Options

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
