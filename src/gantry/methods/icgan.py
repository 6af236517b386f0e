"""IcGAN: a conditional GAN, and two encoders that are fitted to it afterwards. Perarnau et al. 2016."""

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss, one_hot

from gantry.data.shape import DataShape
from gantry.methods.base import Phase, register
from gantry.methods.batch import Batch
from gantry.methods.conditional import Conditional, ConditionalSampler
from gantry.methods.latents import Truncation
from gantry.methods.sampler import Sampler
from gantry.methods.stage import Stage
from gantry.networks.encoders import Encoder
from gantry.plan.blocks.players import Latent
from gantry.plan.methods.icgan import Options
from gantry.plan.recipe import Recipe


@register("icgan")
class Icgan(Conditional):
    """Then E_z minimises ‖z − E_z(G(z, y))‖², on generated samples, and E_y the cross-entropy of real samples' labels.

    Neither moves a network of the game, nor the other. Their section 3.2.
    """

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        super().__init__(recipe, data)
        networks = recipe.networks
        self.of_latents = Encoder(networks, data.sample, recipe.latent.dimension, gaussian=False)
        self.of_conditions = Encoder(networks, data.sample, self.width, gaussian=False)

    @property
    def phases(self) -> tuple[Phase, ...]:
        return (*super().phases, Phase("encoder", ("of_latents", "of_conditions")))

    def stages(self) -> tuple[Stage, ...]:
        options = self.recipe.method
        assert isinstance(options, Options)
        game = Stage(phases=("discriminator", "generator"))
        return game, Stage(options.encoders_from, phases=("encoder",))

    def loss(self, phase: str, batch: Batch) -> Tensor:
        if phase != "encoder":
            return super().loss(phase, batch)
        assert batch.labels is not None
        z, said = batch.noise["z"], self.of_conditions(batch.x)[0]
        with torch.no_grad():
            samples = self.generator(z, self.asked(batch))
        of_labels = (
            cross_entropy(said, batch.labels.long())
            if self.data.classes
            else binary_cross_entropy_with_logits(said, batch.labels.float())
        )
        return mse_loss(self.of_latents(samples)[0], z) + of_labels

    @property
    def kept(self) -> nn.Module:
        names = ("generator", "of_latents", "of_conditions")
        return nn.ModuleDict({name: self.get_submodule(name) for name in names})

    def sampler(self, kept: nn.Module) -> Sampler:
        return self.standing(InvertingSampler(kept, self.recipe.latent, self.data, self.truncation))


class InvertingSampler(ConditionalSampler):
    """Samples of asked classes; and of real samples their z and y, the sample of both, and that of another y."""

    def __init__(
        self, kept: nn.Module, latent: Latent, data: DataShape, truncation: Truncation | None
    ) -> None:
        super().__init__(kept, latent, data, truncation)
        self.of_latents = kept.get_submodule("of_latents")
        self.of_conditions = kept.get_submodule("of_conditions")

    def encode(self, samples: Tensor) -> Tensor:
        code: Tensor = self.of_latents(samples.to(self.device))[0]
        return code

    def classify(self, samples: Tensor) -> Tensor:
        said: Tensor = self.of_conditions(samples.to(self.device))[0]
        return said

    def condition(self, samples: Tensor) -> Tensor:
        """Return the condition that samples are seen to have: one-hot (N, K), or ±1 (N, A)."""
        said = self.classify(samples)
        if self.data.classes:
            return one_hot(said.argmax(1), self.data.classes).to(said.dtype)
        return torch.where(said > 0, 1.0, -1.0)

    def reconstruct(self, samples: Tensor) -> Tensor:
        return self.edited(samples, self.condition(samples))

    def edited(self, samples: Tensor, condition: Tensor) -> Tensor:
        """Return G(E_z(x), y) of samples (N, …) and another condition (N, width)."""
        made: Tensor = self.generator(self.encode(samples), condition.to(self.device))
        return made
