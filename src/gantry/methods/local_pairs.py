"""Several pairs that play alone, and a global pair that learns from all of them. Chavdarova and Fleuret 2018."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from gantry.data.shape import DataShape
from gantry.methods.adversarial import GeneratorSampler
from gantry.methods.adversary import Adversary
from gantry.methods.base import Method, Phase, register
from gantry.methods.batch import Batch
from gantry.methods.latents import draw_latents
from gantry.methods.sampler import Sampler
from gantry.networks import build_discriminator, build_generator
from gantry.objectives import build_objective
from gantry.plan.methods.local_pairs import Options
from gantry.plan.recipe import Recipe
from gantry.terms import build_terms


@register("local_pairs")
class LocalPairs(Method):
    """N games (G_i, D_i) that nothing else moves; G_0 against their messengers, D_0 against their generators.

    A messenger is a copy of D_i, made anew after every step of D_i, that takes one step against G_0 before G_0 takes
    its own: so G_0 learns from D_i, and D_i never sees G_0.
    """

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        super().__init__(recipe, data)
        options = recipe.method
        assert isinstance(options, Options)
        pairs = range(options.pairs)
        networks, latent = recipe.networks, recipe.latent.dimension

        def adversary() -> Adversary:
            terms = build_terms(recipe.terms, recipe.objective, data.sample)
            discriminator = build_discriminator(networks, data.sample, 1)
            return Adversary(discriminator, build_objective(recipe.objective), *terms)

        # The global one first: it stands for the method.
        self.generators = nn.ModuleList(build_generator(networks, latent, data.sample) for _ in (0, *pairs))
        self.of_all = adversary()
        self.local = nn.ModuleList(adversary() for _ in pairs)
        self.messengers = nn.ModuleList(adversary() for _ in pairs)
        self._send()

    @property
    def phases(self) -> tuple[Phase, ...]:
        updates, pairs = self.recipe.updates, range(len(self.local))
        messengers = [f"messengers.{pair}" for pair in pairs]
        judged = ["of_all", *(f"local.{pair}" for pair in pairs)]
        return (
            Phase("discriminator", _parts(judged, "discriminator"), updates.discriminator),
            Phase("messenger", _parts(messengers, "discriminator")),
            Phase(
                "generator",
                ("generators", *(f"{name}.generator_terms" for name in (*judged, *messengers))),
                updates.generator,
            ),
        )

    def draw(self, phase: str, size: int, device: torch.device) -> dict[str, Tensor]:
        """Draw z of the global generator, and one of each local one's own."""
        names = ["z", *(f"z_{pair}" for pair in range(1, len(self.local) + 1))]
        return {name: draw_latents(self.recipe.latent, size, device) for name in names}

    def loss(self, phase: str, batch: Batch) -> Tensor:
        real, (of_all, *own), pairs = batch.x, self.generators, len(self.local)
        with torch.set_grad_enabled(phase == "generator"):
            fake = of_all(batch.noise["z"]) if phase != "discriminator" else None
            fakes = [
                generator(batch.noise[f"z_{pair}"])
                for pair, generator in enumerate(own, 1)
                if phase != "messenger"
            ]
        if phase == "discriminator":
            local = [
                adversary.discriminator_loss(real, [x], g)
                for adversary, x, g in self._games(self.local, fakes, own)
            ]
            above = [self.of_all.discriminator_loss(real, [x], g) for x, g in zip(fakes, own, strict=True)]
            return torch.stack(local).sum() + torch.stack(above).sum() / pairs
        against = self._games(self.messengers, [fake] * pairs, [of_all] * pairs)
        if phase == "messenger":
            return torch.stack(
                [adversary.discriminator_loss(real, [x], g) for adversary, x, g in against]
            ).sum()
        above = [adversary.generator_loss(real, [x], g) for adversary, x, g in against]
        local = [
            adversary.generator_loss(real, [x], g) for adversary, x, g in self._games(self.local, fakes, own)
        ]
        return torch.stack(local).sum() + torch.stack(above).sum() / pairs

    def after(self, phase: str) -> None:
        super().after(phase)
        if phase == "discriminator":
            self._send()
        if phase == "messenger":
            for messenger in self.messengers:
                assert isinstance(messenger, Adversary)
                messenger.constrain()

    @torch.no_grad()
    def _send(self) -> None:
        """Make every messenger a copy of its discriminator, in place."""
        for messenger, own in zip(self.messengers, self.local, strict=True):
            for name, value in own.discriminator.state_dict().items():  # type: ignore[union-attr, operator]
                messenger.discriminator.state_dict()[name].copy_(value)  # type: ignore[union-attr, operator]

    @staticmethod
    def _games(
        adversaries: nn.ModuleList, fakes: Iterable[Tensor | None], generators: Iterable[nn.Module]
    ) -> list[tuple[Adversary, Tensor, nn.Module]]:
        return list(zip(adversaries, fakes, generators, strict=True))  # type: ignore[arg-type]

    @property
    def kept(self) -> nn.Module:
        return self.generators

    def sampler(self, kept: nn.Module) -> Sampler:
        return GlobalSampler(kept, self.recipe.latent)


def _parts(adversaries: Iterable[str], player: str) -> tuple[str, ...]:
    return tuple(f"{name}.{part}" for name in adversaries for part in (player, f"{player}_terms"))


class GlobalSampler(GeneratorSampler):
    """Samples of the global generator, G1, and of the local ones behind it."""

    mixed = False
