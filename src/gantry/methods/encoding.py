"""What methods with an encoder share: phases, draws, and a sampler that encodes and reconstructs."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gantry.data.shape import DataShape
from gantry.methods.adversary import Adversary
from gantry.methods.base import Method, Phase, game_phases
from gantry.methods.latents import LatentSampler, draw_latents
from gantry.methods.sampler import Sampler
from gantry.networks import build_discriminator, build_generator
from gantry.networks.encoders import Encoder
from gantry.objectives import build_objective
from gantry.plan.blocks.players import Latent
from gantry.plan.methods import MethodOptions
from gantry.plan.recipe import Recipe
from gantry.terms import build_terms


class Encoding(Method):
    """A generator, an encoder whose codes may be drawn, and one adversary of both."""

    adversary: Adversary
    generator: nn.Module
    encoder: Encoder

    @property
    def phases(self) -> tuple[Phase, ...]:
        return game_phases(self.recipe.updates, "generator", "encoder")

    def draw(self, phase: str, size: int, device: torch.device) -> dict[str, Tensor]:
        z = draw_latents(self.recipe.latent, size, device)
        return {"z": z, "code_noise": torch.randn(z.shape, device=device)}

    @property
    def kept(self) -> nn.Module:
        return nn.ModuleDict({"generator": self.generator, "encoder": self.encoder})

    def sampler(self, kept: nn.Module) -> Sampler:
        return EncodingSampler(kept, self.recipe.latent)


class Autoencoding(Encoding):
    """E is a function of the sample: G(E(x)) reconstructs it, and latents alone are drawn."""

    options: MethodOptions

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        super().__init__(recipe, data)
        self.options = recipe.method
        networks, latent = recipe.networks, recipe.latent.dimension
        self.generator = build_generator(networks, latent, data.sample)
        self.encoder = Encoder(networks, data.sample, latent, gaussian=False)
        terms = build_terms(recipe.terms, recipe.objective, data.sample)
        objective = build_objective(recipe.objective)
        self.adversary = Adversary(build_discriminator(networks, data.sample, 1), objective, *terms)

    def draw(self, phase: str, size: int, device: torch.device) -> dict[str, Tensor]:
        return {"z": draw_latents(self.recipe.latent, size, device)}


class EncodingSampler(LatentSampler):
    """Samples G(z), codes E(x) (means, where E is Gaussian), reconstructions G(E(x))."""

    sources = ("G1",)

    def __init__(self, kept: nn.Module, latent: Latent) -> None:
        self.generator = kept.get_submodule("generator")
        self.encoder = kept.get_submodule("encoder")
        self.latent = latent

    def sample(self, source: str, inputs: Mapping[str, Tensor]) -> Tensor:
        samples: Tensor = self.generator(inputs["z"])
        return samples

    def encode(self, samples: Tensor) -> Tensor:
        mean: Tensor = self.encoder(samples.to(self._device))[0]
        return mean

    def reconstruct(self, samples: Tensor) -> Tensor:
        made: Tensor = self.generator(self.encode(samples))
        return made

    @property
    def _device(self) -> torch.device:
        return next(self.generator.parameters()).device
