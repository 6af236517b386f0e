"""A method that no generic file knows: three phases, two streams of data, labels, and a stage that changes shapes.

It is the smallest that asks everything of the core; nobody should want its images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gantry.data.batches import Stream
from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.methods import Adversary, Batch, Method, Part, Phase, Sampler, Stage, register
from gantry.methods.latents import draw_latents
from gantry.networks.output import DiscriminatorOutput
from gantry.objectives import build_objective
from gantry.plan.methods import MethodOptions, register_options
from gantry.plan.recipe import Recipe
from gantry.terms import build_terms


class ToyOptions(MethodOptions):
    """`grow_at`: the iteration from which images are 16×16 instead of 8×8."""

    phases: ClassVar[tuple[str, ...]] = ("discriminator", "generator", "classifier")

    name: Literal["toy"]
    grow_at: int = 5

    def check(self, recipe: Recipe) -> None:
        if recipe.unroll:
            raise ValueError("method toy does not look ahead: take unroll away")


@dataclass(frozen=True)
class Growth(Stage):
    """A stage with a size of its own."""

    side: int = 8


class ToyGenerator(nn.Module):
    """z and class → an image of `side` pixels."""

    def __init__(self, latent: int, classes: int) -> None:
        super().__init__()
        self.classes = nn.Embedding(classes, latent)
        self.start = nn.Linear(latent, 4 * 16)
        self.last = nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, z: Tensor, labels: Tensor, side: int) -> Tensor:
        small = torch.relu(self.start(z + self.classes(labels)).view(-1, 4, 4, 4))
        return torch.tanh(self.last(F.interpolate(small, size=(side, side))))


class ToyDiscriminator(nn.Module):
    """Images of any size, and the class that they are said to be of → logits, and class logits."""

    def __init__(self, outputs: int, classes: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, 2, 1)
        self.said = nn.Embedding(classes, 4)
        self.head, self.class_head = nn.Linear(4, outputs), nn.Linear(4, classes)

    def forward(self, samples: Tensor, labels: Tensor) -> DiscriminatorOutput:
        features = torch.tanh(self.first(samples)).mean((2, 3))
        return DiscriminatorOutput(
            self.head(features + self.said(labels)), self.class_head(features), features=features
        )


@register("toy")
class Toy(Method):
    """A conditional generator of the second stream's images, a discriminator, and a classifier of the first's."""

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        super().__init__(recipe, data)
        objective = build_objective(recipe.objective)
        self.generator = ToyGenerator(recipe.latent.dimension, data.classes)
        discriminator = ToyDiscriminator(objective.outputs, data.classes)
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, data.classes))
        self.adversary = Adversary(
            discriminator, objective, *build_terms(recipe.terms, recipe.objective, data.sample)
        )
        self.register_buffer("share", torch.zeros(()))  # of the newest size, as growing networks have it
        self.register_buffer("steps", torch.zeros(()))
        self.side = 8

    @property
    def phases(self) -> tuple[Phase, ...]:
        return (
            Phase("discriminator", ("adversary.discriminator", "adversary.discriminator_terms"), repeat=2),
            Phase("generator", ("generator", "adversary.generator_terms"), batch_size=12),
            Phase("classifier", ("classifier", "generator.classes"), fresh=False),
        )

    def streams(self, prepared: PreparedSet) -> dict[str, Stream]:
        assert prepared.labels is not None
        even, odd = (np.flatnonzero(prepared.labels % 2 == rest) for rest in (0, 1))
        return {"x": Stream(even, ("labels",)), "x_b": Stream(odd, ("labels",))}

    def stages(self) -> tuple[Stage, ...]:
        assert isinstance(self.recipe.method, ToyOptions)
        return (
            Growth(phases=("discriminator", "generator")),
            Growth(self.recipe.method.grow_at, batch_size=4, rate=0.5, side=16),
        )

    def enter(self, stage: Stage) -> None:
        assert isinstance(stage, Growth)
        self.side = stage.side

    def begin(self, iteration: int, device: torch.device) -> None:
        super().begin(iteration, device)
        self.share.fill_(1 / (1 + iteration))

    def draw(self, phase: str, size: int, device: torch.device) -> dict[str, Tensor]:
        labels = torch.randint(self.data.classes, (size,), device=device)
        return {"z": draw_latents(self.recipe.latent, size, device), "fake_labels": labels}

    def loss(self, phase: str, batch: Batch) -> Tensor | Sequence[Part]:
        real, labels = F.adaptive_avg_pool2d(batch.data["x_b"], self.side), batch.data["x_b_labels"]
        fake_labels = batch.noise["fake_labels"]
        if phase == "classifier":
            assert batch.labels is not None
            said = self.classifier(F.adaptive_avg_pool2d(batch.x, 8))
            pulled = self.generator.classes.weight.square().mean()
            return [
                Part(F.cross_entropy(said, batch.labels), ("classifier",)),
                Part(pulled, ("generator.classes",)),
            ]
        fake = self.generator(batch.noise["z"], fake_labels, self.side)
        given = {"labels": labels, "fake_labels": [fake_labels], "noise": batch.noise}
        if phase == "discriminator":
            loss = self.adversary.discriminator_loss(real, [fake.detach()], self.generator, **given)
            (said_of_real,) = self.adversary.outputs([real], [labels])
            assert said_of_real.class_logits is not None
            return loss + self.share * F.cross_entropy(said_of_real.class_logits, labels)
        return self.adversary.generator_loss(real, [fake], self.generator, **given)

    def after(self, phase: str) -> None:
        self.steps += 1

    @property
    def kept(self) -> nn.Module:
        return nn.ModuleDict({"generator": self.generator, "classifier": self.classifier})

    def sampler(self, kept: nn.Module) -> Sampler:
        return ToySampler(kept, self.recipe, self.data)


class ToySampler(Sampler):
    """Samples of balanced classes, and the classifier's opinion as a code."""

    sources = ("G1",)

    def __init__(self, kept: nn.Module, recipe: Recipe, data: DataShape) -> None:
        self.generator, self.classifier = kept.get_submodule("generator"), kept.get_submodule("classifier")
        self.latent, self.data = recipe.latent, data

    def inputs(
        self, source: str, rows: range, randomness: torch.Generator, held_out: PreparedSet | None = None
    ) -> dict[str, Tensor]:
        z = draw_latents(self.latent, len(rows), torch.device("cpu"), randomness)
        return {"z": z, "labels": torch.tensor(rows) % self.data.classes}

    def sample(self, source: str, inputs: Mapping[str, Tensor]) -> Tensor:
        images: Tensor = self.generator(inputs["z"], inputs["labels"], self.data.sample[-1])
        return images

    def encode(self, samples: Tensor) -> Tensor:
        codes: Tensor = self.classifier(F.adaptive_avg_pool2d(samples, 8))
        return codes


register_options("toy", ToyOptions)
RECIPE = {
    "method": {"name": "toy", "grow_at": 5},
    "networks": {"family": "dcgan", "width": 2},
    "objective": {"name": "non_saturating"},
    "latent": {"dimension": 8},
    "optimiser": {"lr": {"classifier": 1e-3}},
    "batch_size": 8,
    "ema": 0.5,
    "flip": True,
}
