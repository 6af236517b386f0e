"""A GAN whose latents an encoder learns to read: the baseline of BiGAN. Donahue et al. 2017, section 4.1."""

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from gantry.data.shape import DataShape
from gantry.methods.adversarial import Adversarial
from gantry.methods.base import Phase, register
from gantry.methods.batch import Batch
from gantry.methods.encoding import EncodingSampler
from gantry.methods.sampler import Sampler
from gantry.networks.encoders import Encoder
from gantry.plan.recipe import Recipe


@register("latent_regressor")
class LatentRegressor(Adversarial):
    """The game of two as it is, and ‖z − E(G(z))‖² for E alone: the mean over batch and numbers."""

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        super().__init__(recipe, data)
        self.encoder = Encoder(recipe.networks, data.sample, recipe.latent.dimension, gaussian=False)

    @property
    def phases(self) -> tuple[Phase, ...]:
        return (*super().phases, Phase("encoder", ("encoder",), fresh=False))

    def loss(self, phase: str, batch: Batch) -> Tensor:
        if phase != "encoder":
            return super().loss(phase, batch)
        z = batch.noise["z"]
        with torch.no_grad():
            (samples,) = self.generate({"z": z})
        return mse_loss(self.encoder(samples)[0], z)

    @property
    def kept(self) -> nn.Module:
        return nn.ModuleDict({"generator": self.generators[0], "encoder": self.encoder})

    def sampler(self, kept: nn.Module) -> Sampler:
        return EncodingSampler(kept, self.recipe.latent)
