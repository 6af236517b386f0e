"""Pairs (x, E(x)) against pairs (G(z), z). BiGAN: Donahue et al. 2017; ALI: Dumoulin et al. 2017."""

import torch
from torch import Tensor

from gantry.data.shape import DataShape
from gantry.methods.adversary import Adversary
from gantry.methods.base import register
from gantry.methods.batch import Batch
from gantry.methods.encoding import Encoding
from gantry.networks import build_discriminator, build_generator
from gantry.networks.conditions import ConditionalDiscriminator
from gantry.networks.encoders import Encoder
from gantry.plan.methods.joint import Options
from gantry.plan.recipe import Recipe


@register("joint")
class Joint(Encoding):
    """min over G and E, max over D of E log D(x, E(x)) + E log(1 − D(G(z), z)); Donahue et al., eq. 3.

    G and E minimise D's loss with the roles of the two kinds of pairs exchanged, as their codes do.
    """

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        super().__init__(recipe, data)
        options: Options = recipe.method  # type: ignore[assignment]
        latent, networks = recipe.latent.dimension, recipe.networks
        self.generator = build_generator(networks, latent, data.sample)
        self.encoder = Encoder(networks, data.sample, latent, options.encoder == "gaussian")
        discriminator = ConditionalDiscriminator(
            lambda shape: build_discriminator(networks, shape, 1),
            data.sample,
            options.discriminator,
            latent,
            options,
        )
        self.adversary = Adversary.of(recipe, discriminator, data.sample)

    def loss(self, phase: str, batch: Batch) -> Tensor:
        z, noise = batch.noise["z"], batch.noise["code_noise"]
        if phase == "discriminator":
            with torch.no_grad():
                fake, code = self.generator(z), self.encoder.code(batch.x, noise)
            return self.adversary.discriminator_loss(batch.x, [fake], self.generator, code, [z], batch.noise)
        pairs = [batch.x, self.generator(z)], [self.encoder.code(batch.x, noise), z]
        encoded, generated = self.adversary.outputs(*pairs)
        return self.adversary.objective.discriminator_loss(generated.logits, [encoded.logits])
