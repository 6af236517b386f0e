"""Samplers of translators that have styles, or codes: what can be drawn beside an input, and what can be asked."""

from collections.abc import Mapping

import torch
from torch import Tensor

from gantry.data.prepared import PreparedSet
from gantry.methods.domains import INPUTS, SAMPLES, Domain
from gantry.methods.translating import TranslationSampler
from gantry.networks.domains import Autoencoders
from gantry.networks.styled import Styled


class StyleSampler(TranslationSampler):
    """Translations of held-out samples, each in a style of its own, drawn from N(0, I).

    `translate` takes no style and takes that of 0, the prior's mode, so that there and back is a function.
    """

    style: int

    @property
    def can(self) -> frozenset[str]:
        return super().can if self.style else super().can - {"translate_in_style"}

    def inputs(
        self, source: str, rows: range, randomness: torch.Generator, held_out: PreparedSet | None = None
    ) -> dict[str, Tensor]:
        given = super().inputs(source, rows, randomness, held_out)
        return given | ({"z": self.draw_styles(len(rows), randomness)} if self.style else {})

    def draw_styles(self, count: int, randomness: torch.Generator) -> Tensor:
        return torch.randn(count, self.style, generator=randomness)

    def sample(self, source: str, inputs: Mapping[str, Tensor]) -> Tensor:
        if "z" not in inputs:
            return self.translate(source, inputs["x"])
        return self.translate_in_style(source, inputs["x"], inputs["z"])

    def translate(self, source: str, samples: Tensor) -> Tensor:
        return self.translate_in_style(source, samples, samples.new_zeros(samples.shape[0], self.style))


class PairedStyleSampler(StyleSampler):
    """G(x, z), and styles E(y) of samples of the domain of outputs."""

    def __init__(self, networks: Styled) -> None:
        super().__init__({"a→b": networks}, {"a→b": (INPUTS, SAMPLES)})
        self.networks = networks
        self.style = networks.style

    def translate_in_style(self, source: str, samples: Tensor, styles: Tensor) -> Tensor:
        made: Tensor = self.networks.generator(samples, styles)
        return made

    def style_of(self, source: str, samples: Tensor) -> Tensor:
        mean: Tensor = self.networks.encoder(samples)[0]
        return mean


class CodeSampler(StyleSampler):
    """Decoders of the other domain's codes, with styles where the networks have them."""

    def __init__(self, networks: Autoencoders, domains: tuple[Domain, Domain]) -> None:
        a, b = domains
        super().__init__({"a→b": networks, "b→a": networks}, {"a→b": (a, b), "b→a": (b, a)})
        self.networks = networks
        self.style = networks.style

    def translate_in_style(self, source: str, samples: Tensor, styles: Tensor) -> Tensor:
        begins = self.sources.index(source)
        return self.networks.decode(self.networks.encode(samples, begins), styles, 1 - begins)

    def style_of(self, source: str, samples: Tensor) -> Tensor:
        return self.networks.style_of(samples, 1 - self.sources.index(source))[0]

    def code_of(self, source: str, samples: Tensor) -> Tensor:
        return self.networks.encode(samples, self.sources.index(source)).flatten(1)
