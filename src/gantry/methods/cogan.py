"""Coupled GANs: pairs of samples of two domains from one latent, learnt without a pair. Liu and Tuzel 2016."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gantry.data.batches import Stream
from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.methods.adversarial import GeneratorSampler
from gantry.methods.adversary import Adversary
from gantry.methods.base import Method, Phase, register
from gantry.methods.batch import Batch
from gantry.methods.domains import Domain, domains_of, streams_of
from gantry.methods.latents import draw_latents
from gantry.methods.sampler import Sampler
from gantry.networks import build_discriminator, build_generator
from gantry.plan.blocks.players import Latent
from gantry.plan.methods.cogan import Options
from gantry.plan.recipe import Recipe


@register("cogan")
class Cogan(Method):
    """L_adv(G₁(z), D₁) + L_adv(G₂(z), D₂), one z; the first layers of both G and the last of both D are the same.

    Liu and Tuzel 2016, eq. 4. Nothing pairs the two domains but what is shared.
    """

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        super().__init__(recipe, data)
        options: Options = recipe.method  # type: ignore[assignment]
        if data.input not in (None, data.sample):
            raise UserError(
                f"method cogan: inputs have shape {data.input} and outputs {data.sample}: coupled generators share "
                "layers of one shape; take another degradation"
            )
        self.domains = domains_of(data, options.domains)
        networks, shape = recipe.networks, data.sample
        generators = [build_generator(networks, recipe.latent.dimension, shape) for _ in range(2)]
        discriminators = [build_discriminator(networks, shape, 1) for _ in range(2)]
        self.generators = nn.ModuleList(share(generators[0], generators[1], first=options.shared_generator))
        self.discriminators = nn.ModuleList(
            share(discriminators[0], discriminators[1], last=options.shared_discriminator)
        )
        self.of = nn.ModuleList(
            Adversary.of(recipe, discriminator, shape) for discriminator in self.discriminators
        )

    @property
    def phases(self) -> tuple[Phase, ...]:
        terms = [[f"of.{k}.{player}_terms" for k in range(2)] for player in ("discriminator", "generator")]
        updates = self.recipe.updates
        return (
            Phase("discriminator", ("discriminators", *terms[0]), updates.discriminator),
            Phase("generator", ("generators", *terms[1]), updates.generator),
        )

    def streams(self, prepared: PreparedSet) -> dict[str, Stream]:
        return streams_of(prepared, *self.domains)

    def draw(self, phase: str, size: int, device: torch.device) -> dict[str, Tensor]:
        return {"z": draw_latents(self.recipe.latent, size, device)}

    def loss(self, phase: str, batch: Batch) -> Tensor:
        real = (batch.data["x_a"], batch.x)
        with torch.set_grad_enabled(phase == "generator"):
            fakes = [generator(batch.noise["z"]) for generator in self.generators]
        adversaries = self.adversaries().values()
        losses = [
            getattr(adversary, f"{phase}_loss")(x, [fake], self.generators)
            for adversary, x, fake in zip(adversaries, real, fakes, strict=True)
        ]
        return torch.stack(losses).sum()

    @property
    def kept(self) -> nn.Module:
        return self.generators

    def sampler(self, kept: nn.Module) -> Sampler:
        return CoupledSampler(kept, self.recipe.latent, self.domains)


def layers_of(network: nn.Sequential) -> list[int]:
    """Return where in a row of modules the layers begin that have matrices of weights."""
    return [
        place
        for place, module in enumerate(network)
        if any(isinstance(part, nn.Linear) for part in module.modules())
    ]


def share(one: nn.Module, other: nn.Module, first: int = 0, last: int = 0) -> tuple[nn.Module, nn.Module]:
    """Put the `first` or `last` layers of `one`, with what stands between them, in the place of those of `other`.

    They are the same objects afterwards: moved by both losses, and counted once.
    """
    assert isinstance(one, nn.Sequential) and isinstance(other, nn.Sequential)
    begins = [*layers_of(one), len(one)]
    shared = set(range(begins[first])) if first else set()
    if last:
        shared |= set(range(begins[max(0, len(begins) - 1 - last)], len(one)))
    return one, nn.Sequential(*(one[k] if k in shared else other[k] for k in range(len(one))))


class CoupledSampler(GeneratorSampler):
    """Pairs G₁(z), G₂(z); each is compared with real samples of its own domain."""

    def __init__(self, generators: nn.Module, latent: Latent, domains: tuple[Domain, Domain]) -> None:
        super().__init__(generators, latent)
        self.domains: Mapping[str, Domain] = dict(zip(self.sources, domains, strict=True))

    @property
    def device(self) -> torch.device:
        return next(self.generators["G1"].parameters()).device

    def reference(self, source: str) -> Domain:
        return self.domains[source]

    def pairs(self, count: int, seed: int) -> tuple[Tensor, Tensor]:
        """Return `count` samples of each generator, row by row of the same latents, on the CPU."""
        z = draw_latents(self.latent, count, torch.device("cpu"), torch.Generator().manual_seed(seed)).to(
            self.device
        )
        one, other = (self.generators[source](z).float().cpu() for source in self.sources)
        return one, other
