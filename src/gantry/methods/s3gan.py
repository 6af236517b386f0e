"""Few labels: D's class head predicts the others, on which its projection is conditioned. Lučić et al. 2019."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from gantry.data.batches import Stream
from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.methods.adversary import Adversary
from gantry.methods.base import Method, register
from gantry.methods.batch import Batch
from gantry.methods.conditional import Conditional, ConditionalSampler, condition_of
from gantry.methods.labelled import classes_of, known_rows
from gantry.methods.latents import Truncation
from gantry.methods.sampler import Sampler
from gantry.networks import build_discriminator, build_generator
from gantry.networks.conditions import GENERATOR_ENTRIES, BuildDiscriminator, ConditionalDiscriminator, Shape
from gantry.networks.output import DiscriminatorOutput
from gantry.objectives import build_objective
from gantry.plan.blocks.players import Latent
from gantry.plan.methods.s3gan import Options
from gantry.plan.recipe import Recipe
from gantry.terms import build_terms
from gantry.terms.rotation import TURNS, KnownClassification, RotationOfGenerated, RotationOfReal


class Predicting(ConditionalDiscriminator):
    """D(x, y) by projection, where a zero row of y stands for a hidden label: the class head's likeliest is read then.

    The prediction has no gradient (google/compare_gan, s3gan.py).
    """

    def __init__(
        self,
        build: BuildDiscriminator,
        shape: Shape,
        classes: int,
        options: Options,
        predicts: bool,
        turns: int,
    ) -> None:
        super().__init__(build, shape, options.discriminator, classes, options, classes, turns)
        self.rotation_head, self.code_head = self.code_head, None
        self.predicts = predicts

    def forward(self, samples: Tensor, condition: Tensor) -> DiscriminatorOutput:
        assert self.class_head is not None
        features = self.body(self.entry.body_input(samples, condition))
        class_logits = self.class_head(features)
        if self.predicts:
            likeliest = one_hot(class_logits.detach().argmax(1), class_logits.shape[1]).to(condition.dtype)
            condition = condition + (1 - condition.sum(1, keepdim=True)) * likeliest
        return DiscriminatorOutput(
            self.entry.logits(features, condition, self.head), class_logits, None, features
        )


@register("s3gan")
class S3gan(Conditional):
    """The projection discriminator's game on pairs (x, y) or (x, ŷ(x)), + CE of ŷ on known labels, + turns."""

    may_lack = frozenset({"discriminator"})

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        Method.__init__(self, recipe, data)
        options: Options = recipe.method  # type: ignore[assignment]
        self.options: Any = options
        self.width = classes_of(data, self.options.name)
        build = partial(build_generator, recipe.networks)
        self.generator = GENERATOR_ENTRIES[options.generator](
            lambda latent: build(latent, data.sample), recipe.latent.dimension, self.width, options
        )
        discriminator = Predicting(
            lambda shape: build_discriminator(recipe.networks, shape, 1),
            data.sample,
            self.width,
            options,
            options.unknown == "predicted",
            TURNS if options.rotation else 0,
        )
        of_discriminator, of_generator = build_terms(recipe.terms, recipe.objective, data.sample)
        of_discriminator = [*of_discriminator, (options.predicts, KnownClassification())]
        if options.rotation is not None:
            of_discriminator.append((options.rotation.discriminator, RotationOfReal()))
            of_generator = [*of_generator, (options.rotation.generator, RotationOfGenerated())]
        objective = build_objective(recipe.objective)
        self.adversary = Adversary(discriminator, objective, of_discriminator, of_generator)

    def streams(self, prepared: PreparedSet) -> dict[str, Stream]:
        known = known_rows(prepared, self.options.known, self.options.labels_seed)
        return {"x": Stream(), "known": Stream(known, ("labels",))}

    def draw(self, phase: str, size: int, device: torch.device) -> dict[str, Tensor]:
        drawn = super().draw(phase, size, device) | {
            "fake_labels": torch.randint(self.data.classes, (size,), device=device)
        }
        if self.options.rotation is not None and self.options.rotation.at_random:
            # Real batches are twice as long, with labels and without, and a quarter of each is turned four times.
            drawn["turns"] = torch.randint(TURNS, (max(2 * size, TURNS),), device=device)
        return drawn

    def loss(self, phase: str, batch: Batch) -> Tensor:
        asked = condition_of(batch.noise["fake_labels"], self.data)
        y = condition_of(batch.data["known_labels"], self.data)
        if phase == "generator":
            fake = self.generator(batch.noise["z"], asked)
            return self.adversary.generator_loss(
                batch.data["known"], [fake], self.generator, y, [asked], batch.noise
            )
        with torch.no_grad():
            fake = self.generator(batch.noise["z"], asked)
        # As many with labels as without; those without come last, and are turned.
        real, condition = torch.cat([batch.data["known"], batch.x]), torch.cat([y, torch.zeros_like(y)])
        return self.adversary.discriminator_loss(
            real, [fake], self.generator, condition, [asked], batch.noise
        )

    @property
    def kept(self) -> nn.Module:
        kept: dict[str, nn.Module] = {"generator": self.generator}
        if self.options.rotation is not None:
            kept["discriminator"] = self.adversary.discriminator
        return nn.ModuleDict(kept)

    def sampler(self, kept: nn.Module) -> Sampler:
        if "discriminator" not in dict(kept.named_children()):
            return super().sampler(kept)
        return self.standing(TurnsSampler(kept, self.recipe.latent, self.data, self.truncation))


class TurnsSampler(ConditionalSampler):
    """Samples of the classes, in turn, and by how much the discriminator says that images were turned."""

    def __init__(
        self, kept: nn.Module, latent: Latent, data: DataShape, truncation: Truncation | None
    ) -> None:
        super().__init__(kept, latent, data, truncation)
        self.discriminator = kept.get_submodule("discriminator")

    def tell_turns(self, samples: Tensor) -> Tensor:
        discriminator = self.discriminator
        assert isinstance(discriminator, Predicting) and discriminator.rotation_head is not None
        images = samples.to(self.device)
        seen = discriminator.entry.body_input(images, images.new_zeros(len(images), 0))
        said: Tensor = discriminator.rotation_head(discriminator.body(seen))
        return said
