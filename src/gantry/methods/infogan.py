"""InfoGAN: part of the latent is a code, and a head of D recognises it. Chen et al. 2016."""

from collections.abc import Mapping
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import one_hot

from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.methods.adversary import Adversary
from gantry.methods.base import Method, Phase, game_phases, register
from gantry.methods.batch import Batch
from gantry.methods.latents import draw_latents
from gantry.methods.sampler import Sampler
from gantry.networks import build_discriminator, build_generator
from gantry.networks.conditions import Concatenated, ConditionalDiscriminator
from gantry.objectives import build_objective
from gantry.plan.blocks.players import Latent
from gantry.plan.methods.infogan import Options
from gantry.plan.recipe import Recipe
from gantry.terms import build_terms
from gantry.terms.classification import LostInformation, RecognisedCode, code_information


@register("infogan")
class Infogan(Method):
    """V(D, G) − λ·L_I(G, Q), L_I = H(c) + E log Q(c | G(z, c)); Q is a head of D. Chen et al. 2016, eq. 6."""

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        super().__init__(recipe, data)
        options: Options = recipe.method  # type: ignore[assignment]
        self.options = options
        width = sum(options.categorical) + options.continuous
        build = partial(build_generator, recipe.networks)
        self.generator = Concatenated(
            lambda latent: build(latent, data.sample), recipe.latent.dimension, width, options
        )
        discriminator = ConditionalDiscriminator(
            lambda shape: build_discriminator(recipe.networks, shape, 1),
            data.sample,
            "none",
            width,
            code=width,
        )
        for_discriminator, for_generator = build_terms(recipe.terms, recipe.objective, data.sample)
        # With λ = 0 Q still learns to read the code, and G has no reason to write it: the control.
        recognised = (options.information or 1.0, RecognisedCode(options.categorical))
        lost = [(options.information, LostInformation(options.categorical))] if options.information else []
        self.adversary = Adversary(
            discriminator,
            build_objective(recipe.objective),
            [*for_discriminator, recognised],
            [*for_generator, *lost],
        )

    @property
    def phases(self) -> tuple[Phase, ...]:
        return game_phases(self.recipe.updates, "generator")

    def draw(self, phase: str, size: int, device: torch.device) -> dict[str, Tensor]:
        z = draw_latents(self.recipe.latent, size, device)
        return {"z": z, "code": draw_code(self.options, size, device)}

    def loss(self, phase: str, batch: Batch) -> Tensor:
        z, code = batch.noise["z"], batch.noise["code"]
        if phase == "generator":
            fake = self.generator(z, code)
            return self.adversary.generator_loss(batch.x, [fake], self.generator, code, [code], batch.noise)
        with torch.no_grad():
            fake = self.generator(z, code)
        return self.adversary.discriminator_loss(batch.x, [fake], self.generator, code, [code], batch.noise)

    @property
    def kept(self) -> nn.Module:
        return nn.ModuleDict({"generator": self.generator, "recogniser": self.adversary.discriminator})

    def sampler(self, kept: nn.Module) -> Sampler:
        return CodeSampler(kept, self.recipe.latent, self.options)


def draw_code(
    options: Options, size: int, device: torch.device, generator: torch.Generator | None = None
) -> Tensor:
    """Return (size, Σ categorical + continuous) codes: one-hot and uniform, then uniform on [−1, 1]."""
    parts = [
        one_hot(torch.randint(values, (size,), device=device, generator=generator), values).float()
        for values in options.categorical
    ]
    parts.append(2 * torch.rand(size, options.continuous, device=device, generator=generator) - 1)
    return torch.cat(parts, dim=1)


class CodeSampler(Sampler):
    """Samples of z and a code; the first categorical code takes its values in turn."""

    sources = ("G1",)

    def __init__(self, kept: nn.Module, latent: Latent, options: Options) -> None:
        self.generator = kept.get_submodule("generator")
        self.recogniser = kept.get_submodule("recogniser")
        self.latent = latent
        self.options = options

    def inputs(
        self, source: str, rows: range, randomness: torch.Generator, held_out: PreparedSet | None = None
    ) -> dict[str, Tensor]:
        cpu = torch.device("cpu")
        z = draw_latents(self.latent, len(rows), cpu, randomness)
        code = draw_code(self.options, len(rows), cpu, randomness)
        asked = self.asked(source, rows)
        if asked is not None:
            values = self.options.categorical[0]
            code[:, :values] = one_hot(torch.from_numpy(asked), values).float()
        return {"z": z, "code": code}

    def asked(
        self, source: str, rows: range, held_out: PreparedSet | None = None
    ) -> NDArray[np.int64] | None:
        if not self.options.categorical:
            return None
        return np.arange(rows.start, rows.stop, dtype=np.int64) % self.options.categorical[0]

    def information(self, source: str, inputs: Mapping[str, Tensor]) -> float:
        device = next(self.generator.parameters()).device
        code = inputs["code"].to(device)
        said = self.encode(self.generator(inputs["z"].to(device), code))
        return float(code_information(said, code, self.options.categorical))

    def sample(self, source: str, inputs: Mapping[str, Tensor]) -> Tensor:
        samples: Tensor = self.generator(inputs["z"], inputs["code"])
        return samples

    def encode(self, samples: Tensor) -> Tensor:
        unused = samples.new_zeros(len(samples), 0)
        code: Tensor = self.recogniser(samples, unused).code
        return code
