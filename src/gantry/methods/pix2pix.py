"""A translator that learns from pairs. Isola et al. 2017; with other settings Pix2pixHD, SRGAN, DeblurGAN."""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from gantry.data.batches import Stream
from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.methods.adversary import Adversary
from gantry.methods.base import Method, Phase, register
from gantry.methods.batch import Batch
from gantry.methods.domains import INPUTS, SAMPLES
from gantry.methods.sampler import Sampler
from gantry.methods.stage import Stage
from gantry.methods.translating import TranslationSampler
from gantry.networks import build_discriminator, build_translator
from gantry.networks.translators import at_depths
from gantry.objectives import build_objective
from gantry.plan.methods.pix2pix import Options
from gantry.plan.recipe import Recipe
from gantry.terms import build_terms
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


@register("pix2pix")
class Pix2pix(Method):
    """min over G, max over D of L_adv(D(x, y), D(x, G(x))) + λ·E‖y − G(x)‖₁. Isola et al. 2017, eq. 4."""

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        super().__init__(recipe, data)
        options: Options = recipe.method  # type: ignore[assignment]
        self.options = options
        if data.input is None:
            raise UserError(
                "method pix2pix: the data set has no pairs; give it inputs: in workflow/datasets.yaml (a degradation, "
                "a half, or folders), or take method cyclegan"
            )
        if (options.skip or options.only_hole) and data.input != data.sample:
            given = "skip" if options.skip else "only_hole"
            raise UserError(
                f"method.{given}: inputs of shape {data.input} cannot be laid under outputs of shape {data.sample}; "
                f"take {given} away"
            )
        self.translator = Translator(build_translator(recipe.networks, data.input, data.sample), options)
        channels, *rest = data.sample
        joined = channels + data.input[0] if options.sees == "pair" else channels
        self.plays = True
        self.scales = nn.ModuleList(
            Adversary(
                build_discriminator(recipe.networks, (joined, *(side >> scale for side in rest)), 1),
                build_objective(recipe.objective),
                *build_terms(recipe.terms, recipe.objective, data.sample),
            )
            for scale in range(options.scales if options.adversarial else 0)
        )

    @property
    def phases(self) -> tuple[Phase, ...]:
        names = [f"scales.{number}" for number in range(len(self.scales))]
        d = [f"{name}.{part}" for name in names for part in ("discriminator", "discriminator_terms")]
        g = ["translator", *(f"{name}.generator_terms" for name in names)]
        updates = self.recipe.updates
        generator = Phase("generator", tuple(g), updates.generator)
        return (Phase("discriminator", tuple(d), updates.discriminator), generator) if d else (generator,)

    def stages(self) -> tuple[Stage, ...]:
        if not self.options.warm_up:
            return super().stages()
        assert isinstance(self.options.warm_up, int), "a plan has made an iteration of the share"
        return Stage(phases=("generator",)), Stage(self.options.warm_up)

    def enter(self, stage: Stage) -> None:
        self.plays = stage.phases is None

    def streams(self, prepared: PreparedSet) -> dict[str, Stream]:
        return {"x": Stream(beside=("inputs",))}

    def draw(self, phase: str, size: int, device: torch.device) -> dict[str, Tensor]:
        return {}

    def seen(self, x: Tensor, y: Tensor, scale: int) -> Tensor:
        """Return what the discriminator of a scale sees of a pair: both joined, or y, 2^scale times smaller."""
        pair = torch.cat([x, y], dim=1) if self.options.sees == "pair" else y
        for _ in range(scale):
            pair = avg_pool2d(pair, 3, stride=2, padding=1, count_include_pad=False)
        return pair

    def loss(self, phase: str, batch: Batch) -> Tensor:
        x, y = batch.data["input"], batch.x
        if phase == "discriminator":
            with torch.no_grad():
                there = self.translator(x)
            return torch.stack(
                [
                    adversary.discriminator_loss(
                        self.seen(x, y, scale), [self.seen(x, there, scale)], self.translator
                    )
                    for scale, adversary in enumerate(self.adversaries().values())
                ]
            ).sum()
        there = self.translator(x)
        loss = self.options.match * losses.match(there, y, self.options.distance)
        if self.options.total_variation:
            loss = loss + self.options.total_variation * losses.total_variation(there)
        for scale, adversary in enumerate(self.adversaries().values() if self.plays else ()):
            real, fake = self.seen(x, y, scale), self.seen(x, there, scale)
            loss = loss + self.options.adversarial * adversary.generator_loss(real, [fake], self.translator)
            if self.options.feature_matching:
                depths = [at_depths(adversary.discriminator, each) for each in (real, fake)]
                loss = loss + self.options.feature_matching * losses.feature_matching(*depths)
        return loss

    @property
    def kept(self) -> nn.Module:
        return nn.ModuleDict({"translator": self.translator})

    def sampler(self, kept: nn.Module) -> Sampler:
        return TranslationSampler({"a→b": kept.get_submodule("translator")}, {"a→b": (INPUTS, SAMPLES)})
