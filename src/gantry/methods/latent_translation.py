"""Translators that encode, and decode in the other domain. UNIT: Liu et al. 2017; XGAN: Royer et al. 2017; MUNIT: Huang
et al. 2018; DRIT: Lee et al. 2018."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor, nn

from gantry.data.batches import Stream
from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.methods.adversary import Adversary
from gantry.methods.base import Method, Phase, game_phases, register
from gantry.methods.batch import Batch
from gantry.methods.domains import domains_of, streams_of
from gantry.methods.sampler import Sampler
from gantry.methods.styled import CodeSampler
from gantry.networks import build_discriminator, build_translator
from gantry.networks.domains import DOMAINS, Autoencoders, build_code_discriminator
from gantry.networks.translators import half
from gantry.objectives import build_objective
from gantry.plan.blocks.objectives import StandardObjective
from gantry.plan.methods.latent_translation import Options
from gantry.plan.recipe import Recipe
from gantry.terms import translation as losses

Noise = Mapping[str, Tensor]


class Journeys:
    """What a batch of each domain goes through; lists have an entry for a, then for b, where each sample *begins*.

    Each stage is computed when it is first asked for, and once.
    """

    def __init__(
        self, networks: Autoencoders, x: tuple[Tensor, Tensor], noise: Noise, exchanges: bool
    ) -> None:
        self.networks = networks
        self.x = x
        self.noise = noise
        self.exchanges = exchanges

    def noisy(self, code: Tensor, name: str) -> Tensor:
        """Return the code with the noise of that name, where there is any."""
        return code + self.noise[name] if name in self.noise else code

    @cached_property
    def codes(self) -> list[Tensor]:
        """E_a(a), E_b(b)."""
        return [self.networks.encode(self.x[k], k) for k in DOMAINS]

    @cached_property
    def decoded(self) -> list[Tensor]:
        """The codes, as decoders get them."""
        return [self.noisy(self.codes[k], f"code_{k}") for k in DOMAINS]

    @cached_property
    def style_statistics(self) -> list[tuple[Tensor, Tensor]]:
        """Means and logarithms of deviations of the styles of a and b."""
        return [self.networks.style_of(self.x[k], k) for k in DOMAINS]

    @cached_property
    def styles(self) -> list[Tensor]:
        """Styles of a and b: drawn from N(μ, σ²), or the means."""
        return [
            mean + log_deviation.exp() * self.noise[f"style_{k}"] if f"style_{k}" in self.noise else mean
            for k, (mean, log_deviation) in enumerate(self.style_statistics)
        ]

    @cached_property
    def itself(self) -> list[Tensor]:
        """Into the own domain, with the own style."""
        return [self.networks.decode(self.decoded[k], self.styles[k], k) for k in DOMAINS]

    def translated(self, styles: list[Tensor]) -> list[Tensor]:
        """Into the other domain 1 − k, with the style number 1 − k of `styles`."""
        return [self.networks.decode(self.decoded[k], styles[1 - k], 1 - k) for k in DOMAINS]

    @cached_property
    def exchanged(self) -> list[Tensor]:
        """D_b(E_a(a), S_b(b)), D_a(E_b(b), S_a(a))."""
        return self.translated(self.styles)

    @cached_property
    def drawn(self) -> list[Tensor]:
        """D_b(E_a(a), z_b), D_a(E_b(b), z_a)."""
        return self.translated([self.noise[f"z_{k}"] for k in DOMAINS])

    @cached_property
    def drawn_again(self) -> list[Tensor]:
        """The same with other styles."""
        return self.translated([self.noise[f"other_z_{k}"] for k in DOMAINS])

    @cached_property
    def codes_again(self) -> list[Tensor]:
        """Codes of the translations, with exchanged styles where there are any."""
        return [self.networks.encode(self.there[k], 1 - k) for k in DOMAINS]

    @property
    def there(self) -> list[Tensor]:
        """The translations that go back."""
        return self.exchanged if self.exchanges else self.drawn

    @cached_property
    def back(self) -> list[Tensor]:
        """Home again: with the own style, or, where styles were exchanged, with that of the other translation."""
        homes = self.styles
        if self.exchanges and self.networks.style:
            homes = [self.networks.style_of(self.exchanged[1 - k], k)[0] for k in DOMAINS]
        codes = [self.noisy(self.codes_again[k], f"code_again_{k}") for k in DOMAINS]
        return [self.networks.decode(codes[k], homes[k], k) for k in DOMAINS]

    @cached_property
    def styles_again(self) -> list[Tensor]:
        """Styles found in the translations that were given drawn ones: of the one into a, then of the one into b."""
        return [self.networks.style_of(self.drawn[1 - k], k)[0] for k in DOMAINS]


@register("latent_translation")
class LatentTranslation(Method):
    """Σ over both directions of L_adv and of the losses that have a weight, by name, each a function of one journey."""

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        super().__init__(recipe, data)
        options: Options = recipe.method  # type: ignore[assignment]
        self.options = options
        if data.input not in (None, data.sample):
            raise UserError(
                f"method latent_translation: inputs have shape {data.input} and outputs {data.sample}, and both "
                "domains have codes of one kind; take method pix2pix, or another degradation"
            )
        self.domains = domains_of(data, options.domains)
        shape = data.sample
        self.networks = cast(Autoencoders, build_translator(recipe.networks, shape, shape))
        styled = self.networks.style > 0
        # Without styles nothing is exchanged, and a translation is one of its code alone.
        self.kinds = {"drawn": ("drawn",), "exchanged": ("exchanged",), "both": ("exchanged", "drawn")}[
            options.styles if styled else "exchanged"
        ]
        self.gaussian = styled and bool(getattr(recipe.networks, "gaussian", False))
        channels, *rest = shape
        # Whose samples are into domain k: of each kind of translation, of each scale, of each domain.
        self.of = nn.ModuleDict(
            {
                kind: nn.ModuleList(
                    Adversary.of(
                        recipe,
                        build_discriminator(
                            recipe.networks, (channels, *(side >> scale for side in rest)), 1
                        ),
                        shape,
                    )
                    for scale in range(options.scales)
                    for _ in DOMAINS
                )
                for kind in self.kinds
            }
        )
        self.of_codes: Adversary | None = None
        if options.confusion is not None:
            self.of_codes = Adversary(
                build_code_discriminator(recipe.networks, self.networks.code_shape),
                build_objective(StandardObjective(name="non_saturating")),
            )

    @property
    def phases(self) -> tuple[Phase, ...]:
        names = [f"of.{kind}.{n}" for kind in self.kinds for n in range(len(DOMAINS) * self.options.scales)]
        discriminator, generator = game_phases(self.recipe.updates, "networks", adversaries=names)
        confusion = self.options.confusion
        codes = () if confusion is None else (Phase("codes", ("of_codes.discriminator",), confusion.updates),)
        return discriminator, *codes, generator

    def streams(self, prepared: PreparedSet) -> dict[str, Stream]:
        return streams_of(prepared, *self.domains)

    def draw(self, phase: str, size: int, device: torch.device) -> dict[str, Tensor]:
        if phase == "codes":
            return {}
        style, code = (size, self.networks.style), (size, *self.networks.code_shape)
        named: dict[str, tuple[int, ...]] = {}
        for k in DOMAINS:
            named |= {f"z_{k}": style} if "drawn" in self.kinds else {}
            named |= {f"style_{k}": style} if self.gaussian else {}
            named |= {f"other_z_{k}": style} if self.options.mode_seeking else {}
            named |= {f"code_{k}": code, f"code_again_{k}": code} if self.options.noise else {}
        return {name: torch.randn(shape, device=device) for name, shape in named.items()}

    def journeys(self, batch: Batch) -> Journeys:
        """Return the journeys of the two batches that lie in one."""
        return Journeys(self.networks, (batch.data["x_a"], batch.x), batch.noise, "exchanged" in self.kinds)

    def loss(self, phase: str, batch: Batch) -> Tensor:
        journeys = self.journeys(batch)
        if phase == "generator":
            return self.generator_loss(journeys)
        with torch.no_grad():
            codes = journeys.codes
            fakes = {} if phase == "codes" else {kind: getattr(journeys, kind) for kind in self.kinds}
        if phase == "codes":
            assert self.of_codes is not None
            return 0.5 * self.of_codes.discriminator_loss(codes[1], [codes[0]])
        return torch.stack(
            [
                self.adversary(kind, k, scale).discriminator_loss(
                    seen(journeys.x[k], scale), [seen(fakes[kind][1 - k], scale)], self.networks
                )
                for kind in self.kinds
                for scale in range(self.options.scales)
                for k in DOMAINS
            ]
        ).sum()

    def adversary(self, kind: str, domain: int, scale: int = 0) -> Adversary:
        """Return who judges translations of a kind into a domain, at their size or 2^scale times smaller."""
        return cast(Adversary, cast(nn.ModuleList, self.of[kind])[len(DOMAINS) * scale + domain])

    def generator_loss(self, journeys: Journeys) -> Tensor:
        """Return what encoders and decoders minimise."""
        options = self.options
        persuaded = [
            self.adversary(kind, k, scale).generator_loss(
                seen(journeys.x[k], scale), [seen(getattr(journeys, kind)[1 - k], scale)], self.networks
            )
            for kind in self.kinds
            for scale in range(options.scales)
            for k in DOMAINS
        ]
        loss = options.adversarial * torch.stack(persuaded).sum()
        for name, summand in SUMMANDS.items():
            if weight := getattr(options, name):
                loss = loss + weight * torch.stack([summand(journeys, k) for k in DOMAINS]).sum()
        if options.confusion is not None:
            assert self.of_codes is not None
            of_a, of_b = (output.logits for output in self.of_codes.outputs(journeys.codes))
            loss = loss + options.confusion.weight * losses.domain_confusion(
                of_a, of_b, options.confusion.form
            )
        return loss

    @property
    def kept(self) -> nn.Module:
        return self.networks

    def sampler(self, kept: nn.Module) -> Sampler:
        return CodeSampler(cast(Autoencoders, kept), self.domains)


def seen(images: Tensor, scale: int) -> Tensor:
    """Return what the discriminators of a scale see: images that are 2^scale times smaller. Huang et al. 2018, 5.1."""
    for _ in range(scale):
        images = half(images)
    return images


def _code_prior(journeys: Journeys, k: int) -> Tensor:
    """Of the code, and, where codes are means of what is decoded, of that of the translation."""
    prior = losses.code_prior(journeys.codes[k])
    return prior + losses.code_prior(journeys.codes_again[k]) if f"code_{k}" in journeys.noise else prior


# What each weight of the options is the weight of: a function of the journeys and of where they begin.
SUMMANDS: dict[str, Any] = {
    "self_reconstruction": lambda j, k: losses.self_reconstruction(j.itself[k], j.x[k]),
    "cycle": lambda j, k: losses.cycle(j.back[k], j.x[k]),
    "code_consistency": lambda j, k: losses.code_consistency(j.codes_again[k], j.codes[k]),
    "code_prior": _code_prior,
    "style_recovery": lambda j, k: losses.style_recovery(j.styles_again[k], j.noise[f"z_{k}"]),
    "style_prior": lambda j, k: losses.style_prior(*j.style_statistics[k]),
    "mode_seeking": lambda j, k: losses.mode_seeking(
        j.drawn[1 - k], j.drawn_again[1 - k], j.noise[f"z_{k}"], j.noise[f"other_z_{k}"]
    ),
}
