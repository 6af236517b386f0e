"""An encoder and a decoder for each domain; any two of them are a translator. Anoosheh et al. 2018."""

from itertools import permutations

import torch
from torch import Tensor, nn

from gantry.data.batches import Stream
from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.methods.adversary import Adversary
from gantry.methods.base import Method, Phase, game_phases, register
from gantry.methods.batch import Batch
from gantry.methods.domains import class_of, rows_of
from gantry.methods.pool import Pool
from gantry.methods.sampler import Sampler
from gantry.methods.translating import TranslationSampler
from gantry.networks import build_discriminator, build_translator
from gantry.networks.codes import Codes, CodeTranslator
from gantry.plan.methods.combogan import Options
from gantry.plan.recipe import Recipe
from gantry.terms import translation as losses


@register("combogan")
class Combogan(Method):
    """Of two domains a iteration: Σ over both directions of L_adv(Gⱼ(Eᵢ(x))) + λ·E‖Gᵢ(Eⱼ(Gⱼ(Eᵢ(x)))) − x‖₁. Section 3.

    Weights of domains that were not drawn get no gradient and stay, moments and all, as with the authors' optimiser
    for each domain.
    """

    unrecorded = "the two domains that an iteration draws change its graph"

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        super().__init__(recipe, data)
        options: Options = recipe.method  # type: ignore[assignment]
        self.options = options
        if data.classes < 2:
            raise UserError(
                "method combogan: the data set has one domain only: take one with classes, such as a folder "
                "with a folder for each"
            )
        named = options.domains or range(data.classes)
        self.domains = [class_of(data, label) for label in named]
        self.names = [data.label_names[k] if data.label_names else str(k) for k in self.domains]
        shape = data.sample
        self.autoencoders = nn.ModuleList(build_translator(recipe.networks, shape, shape) for _ in named)
        self.of = nn.ModuleList(
            Adversary.of(
                recipe,
                build_discriminator(recipe.networks, shape, 1),
                shape,
                pool=Pool(options.pool, shape) if options.pool else None,
            )
            for _ in named
        )
        self.drawn = (0, 1)

    @property
    def phases(self) -> tuple[Phase, ...]:
        adversaries = [f"of.{k}" for k in range(len(self.domains))]
        return game_phases(self.recipe.updates, "autoencoders", adversaries=adversaries)

    def streams(self, prepared: PreparedSet) -> dict[str, Stream]:
        return {stream_of(k): Stream(rows_of(prepared, domain)) for k, domain in enumerate(self.domains)}

    def begin(self, iteration: int, device: torch.device) -> None:
        super().begin(iteration, device)
        first, second, *_ = torch.randperm(len(self.domains)).tolist()
        self.drawn = (first, second)

    def draw(self, phase: str, size: int, device: torch.device) -> dict[str, Tensor]:
        return {}

    def loss(self, phase: str, batch: Batch) -> Tensor:
        ways = [(start, end) for start, end in (self.drawn, self.drawn[::-1])]
        of_ways = self.discriminator_loss if phase == "discriminator" else self.generator_loss
        return torch.stack([of_ways(batch, start, end) for start, end in ways]).sum()

    def discriminator_loss(self, batch: Batch, start: int, end: int) -> Tensor:
        """Return the loss of the discriminator of domain `end`, on translations from `start`."""
        x, y = (batch.data[stream_of(k)] for k in (start, end))
        with torch.no_grad():
            there = self.decoded(self.encoded(x, start), end)
        return self.adversary(end).discriminator_loss(y, [there], self.autoencoders)

    def generator_loss(self, batch: Batch, start: int, end: int) -> Tensor:
        """Return what the way from `start` to `end` and back adds to the loss of encoders and decoders."""
        options = self.options
        x, y = (batch.data[stream_of(k)] for k in (start, end))
        codes = self.encoded(x, start)
        there = self.decoded(codes, end)
        codes_again = self.encoded(there, end)
        loss = options.adversarial * self.adversary(end).generator_loss(y, [there], self.autoencoders)
        loss = loss + options.cycle * losses.cycle(self.decoded(codes_again, start), x)
        if options.self_reconstruction:
            loss = loss + options.self_reconstruction * losses.identity(self.decoded(codes, start), x)
        if options.forward:
            loss = loss + options.forward * losses.forward(there, x)
        if options.code:
            loss = loss + options.code * losses.cycle(codes_again[-1], codes[-1].detach())
        return loss

    def encoded(self, x: Tensor, domain: int) -> Codes:
        """Return what a domain's encoder says of its samples."""
        return coder(self.autoencoders[domain]).encode(x)

    def decoded(self, codes: Codes, domain: int) -> Tensor:
        """Return what a domain's decoder makes of codes, whosever they are."""
        return coder(self.autoencoders[domain]).decode(codes, codes[-1].new_zeros(len(codes[-1]), 0))

    def adversary(self, domain: int) -> Adversary:
        """Return who looks at samples of a domain."""
        adversary = self.of[domain]
        assert isinstance(adversary, Adversary)
        return adversary

    @property
    def kept(self) -> nn.Module:
        return nn.ModuleDict({"autoencoders": self.autoencoders})

    def sampler(self, kept: nn.Module) -> Sampler:
        autoencoders = list(kept.get_submodule("autoencoders").children())
        ways = {
            f"{self.names[start]}→{self.names[end]}": (start, end)
            for start, end in permutations(range(len(self.domains)), 2)
        }
        return TranslationSampler(
            {way: Combined(autoencoders[start], autoencoders[end]) for way, (start, end) in ways.items()},
            {way: (self.domains[start], self.domains[end]) for way, (start, end) in ways.items()},
        )


class Combined(nn.Module):
    """One domain's encoder and another's decoder."""

    def __init__(self, start: nn.Module, end: nn.Module) -> None:
        super().__init__()
        self.start, self.end = start, end

    def forward(self, x: Tensor) -> Tensor:
        codes = coder(self.start).encode(x)
        return coder(self.end).decode(codes, x.new_zeros(len(x), 0))


def coder(network: nn.Module) -> CodeTranslator:
    """Return the network, which has a code."""
    assert isinstance(network, CodeTranslator)
    return network


def stream_of(number: int) -> str:
    """Return the name of the batches of a domain: "x", "x_1", …"""
    return f"x_{number}" if number else "x"
