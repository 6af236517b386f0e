"""SS-GAN: one game makes structures, the other samples that have them. Wang and Gupta 2016."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.methods.adversary import Adversary
from gantry.methods.base import Method, Phase, game_phases, register
from gantry.methods.batch import Batch
from gantry.methods.gradients import attenuated
from gantry.methods.latents import draw_latents
from gantry.methods.sampler import Sampler
from gantry.methods.stage import Stage
from gantry.networks import build_discriminator, build_generator
from gantry.networks.structures import build_style_generator, structure_of
from gantry.plan.blocks.players import Latent
from gantry.plan.methods.ssgan import Options
from gantry.plan.recipe import Recipe


@register("ssgan")
class Ssgan(Method):
    """L_adv(S(z); D_S) + L_adv((G(s, z'), s); D_G) + λ·E‖s(G(s, z')) − s‖², real pairs being (x, s(x)).

    s is the structure of a real sample, and S(z) in the joint stage. Their last summand is a network's that learned to
    see normals; here s(·) is an exact function of a sample, and stands itself.
    """

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        super().__init__(recipe, data)
        options = recipe.method
        assert isinstance(options, Options)
        self.options = options
        self.structure_of, shape = structure_of(options.structure, data.sample)
        networks, latent = recipe.networks, recipe.latent.dimension
        self.structures = build_generator(networks, latent, shape)
        self.styles = build_style_generator(networks, latent, data.sample)
        pair = (shape[0] + data.sample[0], *data.sample[1:])
        self.of_structures, self.of_pairs = (
            Adversary.of(recipe, build_discriminator(networks, seen, 1), seen) for seen in (shape, pair)
        )
        self.joint = False

    @property
    def phases(self) -> tuple[Phase, ...]:
        adversaries = ("of_structures", "of_pairs")
        return game_phases(self.recipe.updates, "structures", "styles", adversaries=adversaries)

    def stages(self) -> tuple[Stage, ...]:
        if self.options.joint_from is None:
            return (Stage(),)
        return Stage(), Stage(self.options.joint_from, rate=self.options.joint_rate)

    def enter(self, stage: Stage) -> None:
        self.joint = stage.start > 0

    def draw(self, phase: str, size: int, device: torch.device) -> dict[str, Tensor]:
        return draw_both(self.recipe.latent, size, device)

    def loss(self, phase: str, batch: Batch) -> Tensor:
        real = self.structure_of(batch.x)
        with torch.set_grad_enabled(phase == "generator"):
            made = self.structures(batch.noise["z"])
            given = self.given(real, made)
            samples = self.styles(given, batch.noise["z_style"])
        pairs = torch.cat([real, batch.x], 1), [torch.cat([given, samples], 1)]
        if phase == "discriminator":
            return self.of_structures.discriminator_loss(
                real, [made], self.structures
            ) + self.of_pairs.discriminator_loss(*pairs, self.styles)
        loss = self.of_structures.generator_loss(real, [made], self.structures)
        loss = loss + self.of_pairs.generator_loss(*pairs, self.styles)
        if self.options.kept:
            loss = loss + self.options.kept * (self.structure_of(samples) - given).square().mean()
        return loss

    def given(self, real: Tensor, made: Tensor) -> Tensor:
        """Return the structures that samples are to have; a share of the gradient passes through generated ones."""
        if not self.joint:
            return real
        return attenuated(made, self.options.through)

    @property
    def kept(self) -> nn.Module:
        return nn.ModuleDict({"structures": self.structures, "styles": self.styles})

    def sampler(self, kept: nn.Module) -> Sampler:
        return StructureSampler(kept, self.recipe.latent, self.options.structure, self.data)


def draw_both(
    latent: Latent, count: int, device: torch.device, randomness: torch.Generator | None = None
) -> dict[str, Tensor]:
    """Draw the latents of structures and of styles, in this order."""
    return {name: draw_latents(latent, count, device, randomness) for name in ("z", "z_style")}


class StructureSampler(Sampler):
    """Samples G(S(z), z'), and the structures that they were given."""

    sources = ("G1",)

    def __init__(self, kept: nn.Module, latent: Latent, structure: str, data: DataShape) -> None:
        self.made = kept.get_submodule("structures")
        self.styles = kept.get_submodule("styles")
        self.latent = latent
        self.structure_of, _ = structure_of(structure, data.sample)

    def inputs(
        self, source: str, rows: range, randomness: torch.Generator, held_out: PreparedSet | None = None
    ) -> dict[str, Tensor]:
        return draw_both(self.latent, len(rows), torch.device("cpu"), randomness)

    def sample(self, source: str, inputs: Mapping[str, Tensor]) -> Tensor:
        samples: Tensor = self.styles(self.made(inputs["z"]), inputs["z_style"])
        return samples

    def parts(self, source: str, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        structure = self.made(inputs["z"])
        return {"structure": structure, "image": self.styles(structure, inputs["z_style"])}

    def structures(self, samples: Tensor, randomness: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the structures of real samples, and those of samples that were given them, on the CPU."""
        given = self.structure_of(samples)
        z = draw_latents(self.latent, len(samples), torch.device("cpu"), randomness)
        made = self.styles(given.to(self.device), z.to(self.device)).float().cpu()
        return given, self.structure_of(made)
