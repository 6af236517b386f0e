"""Stacked GAN: one level makes a classifier's features of a class, the other samples of features. Huang et al. 2017."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from gantry.data.batches import Stream
from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.methods.adversary import Adversary
from gantry.methods.base import Method, Phase, game_phases, register
from gantry.methods.batch import Batch
from gantry.methods.conditional import condition_of
from gantry.methods.gradients import attenuated
from gantry.methods.labelled import classes_of
from gantry.methods.latents import draw_latents
from gantry.methods.sampler import Sampler
from gantry.methods.stage import Stage
from gantry.networks import build_discriminator, build_generator
from gantry.networks.conditions import ConditionalDiscriminator
from gantry.networks.encoders import Encoder
from gantry.plan.blocks.players import Latent
from gantry.plan.blocks.point_networks import MlpNetworks
from gantry.plan.methods.stacked import Options
from gantry.plan.recipe import Recipe


class Features(nn.Module):
    """x → h = ReLU(E(x)), (B, F), and class logits of h, (B, K): the encoder that both levels are held to."""

    def __init__(self, networks: object, shape: tuple[int, ...], features: int, classes: int) -> None:
        super().__init__()
        self.encoder = Encoder(networks, shape, features, gaussian=False)
        self.head = nn.Linear(features, classes)

    def forward(self, samples: Tensor) -> Tensor:
        return self.encoder(samples)[0].relu()


class Levels(nn.Module):
    """G_1(z_1, y) → h (B, F), at least 0, and G_0(z_0, h) → samples."""

    def __init__(self, of_features: nn.Module, of_samples: nn.Module) -> None:
        super().__init__()
        self.of_features = of_features
        self.of_samples = of_samples

    def features(self, z: Tensor, condition: Tensor) -> Tensor:
        """Return features of a class."""
        return self.of_features(torch.cat([z, condition], dim=1)).relu()

    def samples(self, z: Tensor, features: Tensor) -> Tensor:
        """Return samples that have these features."""
        made: Tensor = self.of_samples(torch.cat([z, features], dim=1))
        return made


@register("stacked")
class Stacked(Method):
    """L_k = L_adv + λ_c·L_cond + λ_e·‖Q_k(G_k(h, z)) − z‖², k = 1 of features, k = 0 of samples. Their eqs. 2 to 6.

    L_cond is −log p(y | G_1(z_1, y)) and ‖E(G_0(z_0, h)) − h‖²; h are the features of a real sample, and G_1's in the
    joint stage. Q shares D's trunk and learns with D, G through it; −E log Q(z | x) is no less than H(z | x).
    """

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        super().__init__(recipe, data)
        options = recipe.method
        assert isinstance(options, Options)
        self.options = options
        classes = classes_of(data, options.name)
        networks, latent, width = recipe.networks, recipe.latent.dimension, options.features
        dense = MlpNetworks(family="mlp", width=options.width, depth=2, maxout_depth=2)
        self.classifier = Features(networks, data.sample, width, classes)
        self.levels = Levels(
            build_generator(dense, options.noise + classes, (width,)),
            build_generator(networks, latent + width, data.sample),
        )

        def judge(block: object, shape: tuple[int, ...], noise: int) -> Adversary:
            discriminator = ConditionalDiscriminator(
                lambda seen: build_discriminator(block, seen, 1), shape, "none", 0, code=noise
            )
            return Adversary.of(recipe, discriminator, shape)

        self.of_features = judge(dense, (width,), options.noise)
        self.of_samples = judge(networks, data.sample, latent)
        self.joint = False

    @property
    def phases(self) -> tuple[Phase, ...]:
        game = game_phases(self.recipe.updates, "levels", adversaries=("of_features", "of_samples"))
        return (Phase("classifier", ("classifier",)), *game)

    def stages(self) -> tuple[Stage, ...]:
        options, game = self.options, ("discriminator", "generator")
        begun = (Stage(phases=("classifier",)), Stage(options.levels_from, phases=game))
        return begun if options.joint_from is None else (*begun, Stage(options.joint_from, phases=game))

    def enter(self, stage: Stage) -> None:
        self.joint = self.options.joint_from is not None and stage.start >= self.options.joint_from
        # What stands still must see every sample alike, by no statistics of its batch.
        self.classifier.train(stage.phases == ("classifier",))

    def streams(self, prepared: PreparedSet) -> dict[str, Stream]:
        return {"x": Stream(beside=("labels",))}

    def draw(self, phase: str, size: int, device: torch.device) -> dict[str, Tensor]:
        return draw_both(self.recipe.latent, self.options.noise, size, device)

    def loss(self, phase: str, batch: Batch) -> Tensor:
        assert batch.labels is not None
        if phase == "classifier":
            return cross_entropy(self.classifier.head(self.classifier(batch.x)), batch.labels.long())
        with torch.no_grad():
            real = self.classifier(batch.x)
        z, noise = batch.noise["z"], batch.noise["z_features"]
        with torch.set_grad_enabled(phase == "generator"):
            features = self.levels.features(noise, condition_of(batch.labels, self.data))
            given = attenuated(features, self.options.through) if self.joint else real
            samples = self.levels.samples(z, given)
        loss = (
            self.level_loss(phase, self.of_features, real, features, noise)
            + self.level_loss(phase, self.of_samples, batch.x, samples, z)
        )  # fmt: skip
        if phase == "generator" and self.options.conditional:
            of_labels = cross_entropy(self.classifier.head(features), batch.labels.long())
            loss = loss + self.options.conditional * (of_labels + mse_loss(self.classifier(samples), given))
        return loss

    def level_loss(
        self, phase: str, adversary: Adversary, real: Tensor, fake: Tensor, noise: Tensor
    ) -> Tensor:
        """Return a player's loss of one level: that of the game, and the error of the noise that Q finds."""
        empty = [tensor.new_zeros(len(tensor), 0) for tensor in (real, fake)]
        play = adversary.discriminator_loss if phase == "discriminator" else adversary.generator_loss
        loss = play(real, [fake], self.levels, empty[0], empty[1:])
        if not self.options.entropy:
            return loss
        (said,) = adversary.outputs([fake], empty[1:])
        assert said.code is not None
        return loss + self.options.entropy * mse_loss(said.code, noise)

    @property
    def kept(self) -> nn.Module:
        return self.levels

    def sampler(self, kept: nn.Module) -> Sampler:
        assert isinstance(kept, Levels)
        return StackedSampler(kept, self.recipe.latent, self.options.noise, self.data)


def draw_both(
    latent: Latent, noise: int, count: int, device: torch.device, randomness: torch.Generator | None = None
) -> dict[str, Tensor]:
    """Draw z_0 ("z") and z_1 ("z_features"), of `noise` numbers, both of the recipe's distribution."""
    of_features = latent.model_copy(update={"dimension": noise})
    return {
        "z": draw_latents(latent, count, device, randomness),
        "z_features": draw_latents(of_features, count, device, randomness),
    }


class StackedSampler(Sampler):
    """Samples of all levels, of classes in turn."""

    sources = ("G1",)

    def __init__(self, levels: Levels, latent: Latent, noise: int, data: DataShape) -> None:
        self.levels = levels
        self.latent = latent
        self.noise = noise
        self.data = data

    def inputs(
        self, source: str, rows: range, randomness: torch.Generator, held_out: PreparedSet | None = None
    ) -> dict[str, Tensor]:
        drawn = draw_both(self.latent, self.noise, len(rows), torch.device("cpu"), randomness)
        return drawn | {"labels": torch.from_numpy(self.asked(source, rows))}

    def asked(self, source: str, rows: range, held_out: PreparedSet | None = None) -> NDArray[np.int64]:
        return np.asarray(rows, dtype=np.int64) % self.data.classes

    def sample(self, source: str, inputs: Mapping[str, Tensor]) -> Tensor:
        features = self.levels.features(inputs["z_features"], condition_of(inputs["labels"], self.data))
        return self.levels.samples(inputs["z"], features)
