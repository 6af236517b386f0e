"""A translator that learns from pairs. Isola et al. 2017; with other settings Pix2pixHD, SRGAN, DeblurGAN, PLDT."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from gantry.data.batches import Stream
from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.methods.adversary import Adversary
from gantry.methods.base import Method, Phase, game_phases, register
from gantry.methods.batch import Batch
from gantry.methods.domains import INPUTS, SAMPLES
from gantry.methods.perceptual import Perceptual
from gantry.methods.sampler import Sampler
from gantry.methods.stage import Stage
from gantry.methods.translating import TranslationSampler, paired_input
from gantry.networks import build_discriminator, build_translator
from gantry.networks.coarse_to_fine import CoarseToFine
from gantry.networks.translators import at_depths, half
from gantry.plan.methods.pix2pix import Options
from gantry.plan.recipe import Recipe
from gantry.terms import translation as losses


class Translator(nn.Module):
    """x (B, C, r, r) → G(x), or, as the options have it, clip(x + G(x)), or x with G(x) in its middle."""

    def __init__(self, network: nn.Module, options: Options) -> None:
        super().__init__()
        self.network = network
        self.options = options

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.network(x)
        if self.options.skip:
            made = (x + made).clamp(-1, 1)
        if self.options.only_hole:
            side = x.shape[-1]
            inside = torch.zeros_like(x[:1, :1])
            inside[..., side // 4 : side - side // 4, side // 4 : side - side // 4] = 1
            made = torch.where(inside > 0, made, x)
        return made


@dataclass(frozen=True)
class AtSize(Stage):
    """Whether the coarse part learns alone, at half the size. Wang et al. 2018, section 3.2."""

    halved: bool = False


@register("pix2pix")
class Pix2pix(Method):
    """min over G, max over D of L_adv(D(x, y), D(x, G(x))) + λ·E‖y − G(x)‖₁. Isola et al. 2017, eq. 4.

    PLDT (Yoo et al. 2016) has no λ, a second D that sees outputs alone, and y of another pair among what D(x, ·) takes
    for generated.
    """

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        super().__init__(recipe, data)
        options: Options = recipe.method  # type: ignore[assignment]
        self.options = options
        shape = paired_input(data, "pix2pix", "cyclegan")
        if (options.skip or options.only_hole) and shape != data.sample:
            given = "skip" if options.skip else "only_hole"
            raise UserError(
                f"method.{given}: inputs of shape {shape} cannot be laid under outputs of shape {data.sample}; "
                f"take {given} away"
            )
        self.translator = Translator(build_translator(recipe.networks, shape, data.sample), options)
        channels, *rest = data.sample
        joined = channels + shape[0] if options.sees == "pair" else channels
        self.plays, self.halved = True, False
        self.scales = nn.ModuleList(
            Adversary.of(
                recipe,
                build_discriminator(recipe.networks, (joined, *(side >> scale for side in rest)), 1),
                data.sample,
            )
            for scale in range(options.scales if options.adversarial else 0)
        )
        if options.perceptual.weight:
            self.perceptual = Perceptual(options.perceptual)
        if options.output_adversarial:
            self.of_outputs = Adversary.of(
                recipe, build_discriminator(recipe.networks, data.sample, 1), data.sample
            )

    @property
    def phases(self) -> tuple[Phase, ...]:
        names = list(self.adversaries())
        discriminator, generator = game_phases(self.recipe.updates, "translator", adversaries=names)
        return (discriminator, generator) if names else (generator,)

    def stages(self) -> tuple[Stage, ...]:
        warm_up, coarse = self.options.warm_up, self.options.coarse
        assert isinstance(warm_up, int) and isinstance(coarse, int), (
            "a plan has made iterations of the shares"
        )
        if coarse:
            return AtSize(halved=True), AtSize(coarse, fresh=True)
        return (Stage(phases=("generator",)), Stage(warm_up)) if warm_up else super().stages()

    def enter(self, stage: Stage) -> None:
        self.plays = stage.phases is None
        self.halved = isinstance(stage, AtSize) and stage.halved

    def streams(self, prepared: PreparedSet) -> dict[str, Stream]:
        return {"x": Stream(beside=("inputs",))}

    def equip(self, weights: Path | None) -> None:
        if self.options.perceptual.weight:
            self.perceptual.read(weights)

    def draw(self, phase: str, size: int, device: torch.device) -> dict[str, Tensor]:
        return {}

    def seen(self, x: Tensor, y: Tensor, scale: int) -> Tensor:
        """Return what the discriminator of a scale sees of a pair: both joined, or y, 2^scale times smaller."""
        pair = torch.cat([x, y], dim=1) if self.options.sees == "pair" else y
        for _ in range(scale):
            pair = half(pair)
        return pair

    def made(self, x: Tensor) -> Tensor:
        """Return the translations of inputs, which are half as large where the coarse part learns alone."""
        if not self.halved:
            there: Tensor = self.translator(x)
            return there
        network = self.translator.network
        assert isinstance(network, CoarseToFine)
        return network.coarse(x)

    def loss(self, phase: str, batch: Batch) -> Tensor:
        x, y = batch.data["input"], batch.x
        if self.halved:
            x, y = half(x), half(y)
        if phase == "discriminator":
            with torch.no_grad():
                there = self.made(x)
            return self.discriminator_loss(x, y, there)
        there = self.made(x)
        options = self.options
        loss = options.match * losses.match(there, y, options.distance)
        if options.total_variation:
            loss = loss + options.total_variation * losses.total_variation(there)
        if options.perceptual.weight:
            loss = loss + options.perceptual.weight * self.perceptual(there, y)
        for scale, adversary in enumerate(self.scales if self.plays else ()):
            real, fake = self.seen(x, y, scale), self.seen(x, there, scale)
            loss = loss + options.adversarial * adversary.generator_loss(real, [fake], self.translator)  # type: ignore[operator]
            if options.feature_matching:
                depths = [at_depths(adversary.discriminator, images) for images in (real, fake)]  # type: ignore[arg-type]
                loss = loss + options.feature_matching * losses.feature_matching(*depths)
        if options.output_adversarial and self.plays:
            of_outputs = self.of_outputs.generator_loss(y, [there], self.translator)
            loss = loss + options.output_adversarial * of_outputs
        return loss

    def discriminator_loss(self, x: Tensor, y: Tensor, there: Tensor) -> Tensor:
        """Return the discriminators' losses on real pairs and generated ones, and on targets that are another's."""
        found = []
        for scale, adversary in enumerate(self.scales):
            fakes = [self.seen(x, there, scale)]
            fakes += [self.seen(x, y.roll(1, 0), scale)] if self.options.mismatched else []
            found.append(adversary.discriminator_loss(self.seen(x, y, scale), fakes, self.translator))  # type: ignore[operator]
        if self.options.output_adversarial:
            found.append(self.of_outputs.discriminator_loss(y, [there], self.translator))
        return torch.stack(found).sum()

    @property
    def kept(self) -> nn.Module:
        return nn.ModuleDict({"translator": self.translator})

    def sampler(self, kept: nn.Module) -> Sampler:
        return TranslationSampler({"a→b": kept.get_submodule("translator")}, {"a→b": (INPUTS, SAMPLES)})
