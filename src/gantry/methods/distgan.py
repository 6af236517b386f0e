"""Dist-GAN: an autoencoder beside the game, whose latents keep the distances of the samples. Tran et al. 2018."""

import math

import torch
from torch import Tensor

from gantry.methods.base import Phase, game_phases, register
from gantry.methods.batch import Batch
from gantry.methods.encoding import Autoencoding
from gantry.objectives.base import Separable
from gantry.plan.methods.distgan import Options
from gantry.terms.features import penultimate


@register("distgan")
class Distgan(Autoencoding):
    """L_AE = ‖f(x) − f(x̃)‖² + λ_r·(M[f(x̃) − f(G(z))] − √(d_z/d_f)·M[E(x) − z])², x̃ = G(E(x)), M being the mean.

    D takes a share of reconstructions for real samples; the objective's G is the paper's where that is
    `score_distance`. The autoencoder moves first, as in the authors' code (tntrung/gan, distgan_image/distgan.py).
    """

    options: Options

    @property
    def phases(self) -> tuple[Phase, ...]:
        moved = ("encoder", "generator") if self.options.decodes else ("encoder",)
        return (Phase("encoder", moved), *game_phases(self.recipe.updates, "generator"))

    def loss(self, phase: str, batch: Batch) -> Tensor:
        if phase == "encoder":
            return self.autoencoder_loss(batch.x, batch.noise["z"])
        with torch.set_grad_enabled(phase == "generator"):
            fake = self.generator(batch.noise["z"])
        if phase == "generator":
            return self.adversary.generator_loss(batch.x, [fake], self.generator)
        loss = self.adversary.discriminator_loss(batch.x, [fake], self.generator)
        share = self.options.reconstructions
        return loss + share * self.cost_of_reconstructions(batch.x) if share else loss

    def autoencoder_loss(self, real: Tensor, z: Tensor) -> Tensor:
        """E's loss: the error of reconstructions, and how far distances in Z are from those of the samples."""
        code = self.encoder(real)[0]
        seen, rebuilt, generated = (
            self.features(images) for images in (real, self.generator(code), self.generator(z))
        )
        error = (seen - rebuilt).square().mean()
        scale = math.sqrt(z.shape[1] / seen.shape[1])
        apart = (rebuilt - generated).mean() - scale * (code - z).mean()
        return error + self.options.distances * apart.square()

    def features(self, samples: Tensor) -> Tensor:
        """Return f of samples, (B, d_f)."""
        if self.options.features == "samples":
            return samples.flatten(1)
        return penultimate(self.adversary.discriminator, samples)

    def cost_of_reconstructions(self, real: Tensor) -> Tensor:
        """What D pays more for calling reconstructions real than for samples: −E log σ(D(x̃)) + E log σ(D(x))."""
        objective = self.adversary.objective
        assert isinstance(objective, Separable)
        with torch.no_grad():
            rebuilt = self.generator(self.encoder(real)[0])
        said_of_real, said_of_rebuilt = self.adversary.outputs([real, rebuilt])
        return (
            objective.real_cost(said_of_rebuilt.logits).mean()
            - objective.real_cost(said_of_real.logits).mean()
        )
