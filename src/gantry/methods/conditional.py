"""G(z, y) against D(x, y): CGAN, matching-aware, projection, AC-GAN and its twin, BigGAN's conditioning."""

from collections.abc import Iterator, Mapping
from copy import copy, deepcopy
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import one_hot

from gantry.data.batches import Stream
from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.methods.adversary import Adversary
from gantry.methods.base import Method, Phase, game_phases, register
from gantry.methods.batch import Batch
from gantry.methods.labelled import labels_beside
from gantry.methods.latents import Truncation, draw_latents
from gantry.methods.sampler import Sampler
from gantry.methods.standing import Standing, stand
from gantry.networks import build_discriminator, build_generator
from gantry.networks.conditions import GENERATOR_ENTRIES, ConditionalDiscriminator
from gantry.objectives import build_objective
from gantry.plan.blocks.players import Latent
from gantry.plan.methods.conditional import Options
from gantry.plan.recipe import Recipe
from gantry.terms import DiscriminatorTerm, GeneratorTerm, build_terms
from gantry.terms.classification import GeneratedClassification, RealClassification

STANDING_SEED = 2
Summands = tuple[list[tuple[float, DiscriminatorTerm]], list[tuple[float, GeneratorTerm]]]


def condition_of(labels: Tensor, data: DataShape) -> Tensor:
    """Return the condition of labels, float32: one-hot (B, K) of classes (B,), ±1 of attributes (B, A) in {0, 1}.

    Vectors (B, V), and shares of classes, float32 (B, K), are a condition already.
    """
    if data.vectors:
        return labels.float()
    if data.classes and labels.dim() == 2:
        return labels
    if data.classes:
        return one_hot(labels.long(), data.classes).float()
    return 2 * labels.float() - 1


def other_condition(batch: Batch, data: DataShape) -> Tensor:
    """Return conditions that do not fit a batch: another class, `further` on, or what the next row has."""
    assert batch.labels is not None
    if data.classes:
        return condition_of((batch.labels + batch.noise["further"]) % data.classes, data)
    return condition_of(batch.labels, data).roll(1, 0)


def half_interpolated(condition: Tensor) -> Tensor:
    """Return conditions (B, V) whose second half are means of two: GAN-INT with β = ½. Reed et al. 2016, eq. 5."""
    half = len(condition) // 2
    return torch.cat([condition[:half], (condition[half:] + condition[half:].roll(1, 0)) / 2])


@register("conditional")
class Conditional(Method):
    """min over G, max over D of the objective on pairs (x, y) and (G(z, y), y). Mirza and Osindero 2014, eq. 2."""

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        super().__init__(recipe, data)
        options: Options = recipe.method  # type: ignore[assignment]
        self.options = options
        self.width = data.condition
        if not self.width:
            raise UserError(
                "method conditional: the data set has no labels: take one that has (mixture, digits, cifar10, svhn, a "
                "folder with a folder for each class), or method adversarial"
            )
        if options.classification is not None and not data.classes:
            raise UserError(
                f"method.classification tells classes apart, and the data set's labels are {data.kind}: take "
                "discriminator projection, planes or joined, or a data set with classes"
            )
        if options.mismatched and self.width < 2:
            raise UserError("method.mismatched: a data set of one class has no pairs that do not fit")
        entry = GENERATOR_ENTRIES[options.generator]
        build = partial(build_generator, recipe.networks)
        self.generator = entry(
            lambda latent: build(latent, data.sample), recipe.latent.dimension, self.width, options
        )
        if options.standing is not None and not data.classes:
            raise UserError(
                f"method.standing draws classes for its statistics, and this data set has {data.kind}: take it away"
            )
        heads = self.width * (2 if options.classification and options.classification.of == "twin" else 1)
        discriminator = ConditionalDiscriminator(
            lambda shape: build_discriminator(recipe.networks, shape, 1),
            data.sample,
            options.discriminator,
            self.width,
            options,
            classes=heads if options.classification else 0,
        )
        terms = build_terms(recipe.terms, recipe.objective, data.sample)
        self.adversary = Adversary(
            discriminator, build_objective(recipe.objective), *with_classification(terms, options)
        )

    @property
    def phases(self) -> tuple[Phase, ...]:
        return game_phases(self.recipe.updates, "generator")

    def streams(self, prepared: PreparedSet) -> dict[str, Stream]:
        options = self.options
        return {"x": labels_beside(prepared, self.data, options.captions, options.shuffled)}

    def draw(self, phase: str, size: int, device: torch.device) -> dict[str, Tensor]:
        noise = {"z": draw_latents(self.recipe.latent, size, device)}
        if self.data.classes and self.options.labels == "uniform":
            noise["fake_labels"] = torch.randint(self.data.classes, (size,), device=device)
        if self.options.mismatched and phase == "discriminator":
            noise["further"] = torch.randint(1, max(2, self.data.classes), (size,), device=device)
        return noise

    def asked(self, batch: Batch) -> Tensor:
        """Return the condition of the generated samples: of classes drawn, or of the real batch."""
        labels = batch.noise.get("fake_labels", batch.labels)
        assert labels is not None
        return condition_of(labels, self.data)

    def loss(self, phase: str, batch: Batch) -> Tensor:
        assert batch.labels is not None
        y, asked = condition_of(batch.labels, self.data), self.asked(batch)
        if phase == "generator":
            if self.options.interpolated:
                asked = half_interpolated(asked)
            fake = self.generator(batch.noise["z"], asked)
            return self.adversary.generator_loss(batch.x, [fake], self.generator, y, [asked], batch.noise)
        with torch.no_grad():
            fake = self.generator(batch.noise["z"], asked)
        loss = self.adversary.discriminator_loss(batch.x, [fake], self.generator, y, [asked], batch.noise)
        share = self.options.mismatched
        return (1 - share) * loss + share * self.loss_against_mismatched(batch, y) if share else loss

    def loss_against_mismatched(self, batch: Batch, y: Tensor) -> Tensor:
        """D's loss with real samples of another condition in the generated ones' place. Reed et al. 2016, alg. 1."""
        wrong = other_condition(batch, self.data)
        fitting, not_fitting = self.adversary.outputs([batch.x, batch.x], [y, wrong])
        return self.adversary.objective.discriminator_loss(fitting.logits, [not_fitting.logits])

    @property
    def kept(self) -> nn.Module:
        return nn.ModuleDict({"generator": self.generator})

    def sampler(self, kept: nn.Module) -> Sampler:
        return self.standing(ConditionalSampler(kept, self.recipe.latent, self.data, self.truncation))

    @property
    def truncation(self) -> Truncation | None:
        """How latents are narrowed for sampling; None: not at all."""
        at = self.options.truncation
        return None if at is None else Truncation(at, self.options.scaled)

    def standing(self, sampler: "ConditionalSampler") -> Sampler:
        """Return the sampler, the networks that it holds having the statistics that the recipe asks for."""
        sampler.captions = self.options.captions
        if self.options.standing is not None:
            sampler.standing = Standing(self.options.standing, self.recipe.batch_size)
            stand(sampler.generator, sampler.batches(*sampler.standing, self.truncation))
        return sampler


def with_classification(terms: Summands, options: Options) -> Summands:
    """Return both players' terms and, where there is an auxiliary classifier, its cross-entropies."""
    for_discriminator, for_generator = terms
    if options.classification is None:
        return terms
    weight, of = options.classification.weight, options.classification.of
    return (
        [*for_discriminator, (weight, RealClassification(of))],
        [*for_generator, (weight, GeneratedClassification(of))],
    )


class ConditionalSampler(Sampler):
    """Samples of a generator that is told a class, in turn, or the attributes or vectors of held-out samples."""

    sources: tuple[str, ...] = ("G1",)

    captions: int = 1
    """Of how many vectors, where held-out samples have several, what is asked for is the mean."""
    standing: Standing | None = None
    """Of which batches BatchNorm's statistics are; None: the running ones."""

    def __init__(
        self, kept: nn.Module, latent: Latent, data: DataShape, truncation: Truncation | None
    ) -> None:
        self.generator = kept.get_submodule("generator")
        self.latent = latent
        self.data = data
        self.truncation = truncation

    def standing_at(self, truncation: Truncation | None) -> "ConditionalSampler":
        if self.standing is None:
            return self
        there = copy(self)
        there.generator = deepcopy(self.generator)
        stand(there.generator, self.batches(*self.standing, truncation))
        return there

    def batches(
        self, count: int, size: int, truncation: Truncation | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield `count` batches of latents, narrowed where they are to be, and the conditions of classes drawn."""
        randomness = torch.Generator().manual_seed(STANDING_SEED)
        for _ in range(count):
            z = self.latents(size, truncation, randomness)
            labels = torch.randint(self.data.classes, (size,), generator=randomness)
            yield z.to(self.device), condition_of(labels, self.data).to(self.device)

    def latents(self, count: int, truncation: Truncation | None, randomness: torch.Generator) -> Tensor:
        """Return latents, narrowed unless `truncation` is None, on the CPU."""
        if truncation is None:
            return draw_latents(self.latent, count, torch.device("cpu"), randomness)
        return truncation.draw(self.latent, count, randomness)

    def inputs(
        self, source: str, rows: range, randomness: torch.Generator, held_out: PreparedSet | None = None
    ) -> dict[str, Tensor]:
        z = self.latents(len(rows), self.truncation, randomness)
        return {"z": z, "labels": torch.from_numpy(self.asked(source, rows, held_out))}

    def asked(self, source: str, rows: range, held_out: PreparedSet | None = None) -> NDArray[Any]:
        numbers = np.asarray(rows, dtype=np.int64)
        if self.data.classes:
            return numbers % self.data.classes
        if held_out is None or held_out.labels is None:
            raise UserError(
                f"{self.data.kind} to ask for are taken from held-out samples, and none are held out: give the data "
                "set held_out: 500, say, in workflow/datasets.yaml"
            )
        own = held_out.labels[numbers % len(held_out)]
        if own.ndim == 3:  # the next ones each time that a row comes again
            turn = numbers[:, None] // len(held_out) * self.captions + np.arange(self.captions)
            return np.asarray(own[np.arange(len(own))[:, None], turn % own.shape[1]].mean(1))
        return own if self.data.vectors else own.astype(np.int64)

    def sample(self, source: str, inputs: Mapping[str, Tensor]) -> Tensor:
        samples: Tensor = self.generator(inputs["z"], condition_of(inputs["labels"], self.data))
        return samples
