"""A translator with styles that learns from pairs. Zhu et al. 2017, "Toward multimodal image-to-image translation"."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from gantry.data.batches import Stream
from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.methods.adversary import Adversary
from gantry.methods.base import Method, Part, Phase, game_phases, register
from gantry.methods.batch import Batch
from gantry.methods.sampler import Sampler
from gantry.methods.styled import PairedStyleSampler
from gantry.methods.translating import paired_input
from gantry.networks import build_discriminator, build_translator
from gantry.networks.styled import Styled
from gantry.plan.methods.bicyclegan import Options
from gantry.plan.recipe import Recipe
from gantry.terms import translation as losses


@register("bicyclegan")
class Bicyclegan(Method):
    """cVAE-GAN, y → z → ŷ, on half of a batch, and cLR-GAN, z → ŷ → ẑ, on the other. Eqs. 4 to 8.

    L = L_adv(D₁; G(x, E(y))) + λ·E‖y − G(x, E(y))‖₁ + λ_KL·KL(E(y) ‖ N(0, I)) + L_adv(D₂; G(x, z)) moves G and E;
    λ_z·E‖z − E(G(x, z))‖₁ moves G alone, so that E cannot agree with G to hide z.
    """

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        super().__init__(recipe, data)
        options: Options = recipe.method  # type: ignore[assignment]
        self.options = options
        shape = paired_input(data, "bicyclegan", "latent_translation")
        self.networks = cast(Styled, build_translator(recipe.networks, shape, data.sample))
        channels, *rest = data.sample
        joined = channels + shape[0] if options.sees == "pair" else channels
        self.of_encoded, self.of_drawn = (
            Adversary.of(recipe, build_discriminator(recipe.networks, (joined, *rest), 1), data.sample)
            for _ in range(2)
        )

    @property
    def phases(self) -> tuple[Phase, ...]:
        return game_phases(self.recipe.updates, "networks", adversaries=("of_encoded", "of_drawn"))

    def streams(self, prepared: PreparedSet) -> dict[str, Stream]:
        return {"x": Stream(beside=("inputs",))}

    def draw(self, phase: str, size: int, device: torch.device) -> dict[str, Tensor]:
        shape = (size, self.networks.style)
        return {"z": torch.randn(shape, device=device)}

    def seen(self, x: Tensor, y: Tensor) -> Tensor:
        """Return what the discriminators see of a pair."""
        return torch.cat([x, y], dim=1) if self.options.sees == "pair" else y

    def loss(self, phase: str, batch: Batch) -> Tensor | Sequence[Part]:
        generator, encoder = self.networks.generator, self.networks.encoder
        (x, other_x), (y, other_y), (noise, z) = (
            tensor.chunk(2) for tensor in (batch.data["input"], batch.x, batch.noise["z"])
        )
        with torch.set_grad_enabled(phase == "generator"):
            mean, log_deviation = encoder(y)
            rebuilt = generator(x, mean + log_deviation.exp() * noise)
            drawn = generator(other_x, z)
        games = [
            getattr(adversary, f"{phase}_loss")(self.seen(*real), [self.seen(*fake)], self.networks)
            for adversary, real, fake in (
                (self.of_encoded, (x, y), (x, rebuilt)),
                (self.of_drawn, (other_x, other_y), (other_x, drawn)),
            )
        ]
        if phase == "discriminator":
            return torch.stack(games).sum()
        options = self.options
        loss = options.adversarial * torch.stack(games).sum()
        loss = loss + options.match * losses.match(rebuilt, y)
        loss = loss + options.style_prior * losses.style_prior(mean, log_deviation)
        terms = [f"{name}.generator_terms" for name in ("of_encoded", "of_drawn")]
        parts = [Part(loss, ("networks", *terms))]
        if options.style_recovery:
            recovered = losses.style_recovery(encoder(drawn)[0], z)
            parts.append(Part(options.style_recovery * recovered, ("networks.generator",)))
        return parts

    @property
    def kept(self) -> nn.Module:
        return self.networks

    def sampler(self, kept: nn.Module) -> Sampler:
        return PairedStyleSampler(cast(Styled, kept))
