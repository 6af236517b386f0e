"""The discriminator is a classifier of K classes, and generated is the class beside them. Salimans et al. 2016."""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from gantry.data.batches import Stream
from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.methods.adversarial import GeneratorSampler
from gantry.methods.adversary import Adversary
from gantry.methods.base import Method, Phase, game_phases, register
from gantry.methods.batch import Batch
from gantry.methods.labelled import classes_of, known_rows
from gantry.methods.latents import draw_latents
from gantry.methods.sampler import Sampler
from gantry.networks import build_discriminator, build_generator
from gantry.networks.conditions import without_head
from gantry.networks.output import DiscriminatorOutput
from gantry.plan.blocks.players import Latent
from gantry.plan.methods.semi_supervised import Options
from gantry.plan.recipe import Recipe


class Classifying(nn.Module):
    """D(x) = Z/(Z + 1), Z = Σ exp ℓ: K class logits, the generated class's being 0. Their section 5.

    samples → logits (B, 1) = log Z, class_logits ℓ (B, K), features (B, F). Gaussian noise of deviation `noise` is
    added to the samples in train mode.
    """

    def __init__(self, discriminator: nn.Module, noise: float) -> None:
        super().__init__()
        self.body, self.head = without_head(discriminator)
        self.noise = noise

    def forward(self, samples: Tensor) -> DiscriminatorOutput:
        if self.training and self.noise:
            samples = samples + self.noise * torch.randn_like(samples)
        features = self.body(samples)
        class_logits = self.head(features)
        return DiscriminatorOutput(class_logits.logsumexp(1, keepdim=True), class_logits, None, features)


@register("semi_supervised")
class SemiSupervised(Method):
    """L_D = λ_l·CE(ℓ(x), y) on the known + λ_u·[−log D(x) − log(1 − D(G(z)))]; L_G = ‖E f(x) − E f(G(z))‖."""

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        super().__init__(recipe, data)
        options: Options = recipe.method  # type: ignore[assignment]
        self.options = options
        classes = classes_of(data, options.name)
        self.generators = nn.ModuleList(
            [build_generator(recipe.networks, recipe.latent.dimension, data.sample)]
        )
        body = partial(build_discriminator, recipe.networks)
        discriminator = Classifying(body(data.sample, classes), options.noise)
        self.adversary = Adversary.of(recipe, discriminator, data.sample)

    @property
    def phases(self) -> tuple[Phase, ...]:
        return game_phases(self.recipe.updates, "generators")

    def streams(self, prepared: PreparedSet) -> dict[str, Stream]:
        known = known_rows(prepared, self.options.known, self.options.labels_seed)
        return {"x": Stream(), "known": Stream(known, ("labels",))}

    def draw(self, phase: str, size: int, device: torch.device) -> dict[str, Tensor]:
        noise = {"z": draw_latents(self.recipe.latent, size, device)}
        if self.options.unlabelled_of == "noise":
            noise["unlabelled"] = 2 * torch.rand(size, *self.data.sample, device=device) - 1
        return noise

    def loss(self, phase: str, batch: Batch) -> Tensor:
        (generator,) = self.generators
        unlabelled = batch.noise.get("unlabelled", batch.x)
        if phase == "generator":
            real, fake = self.adversary.outputs([unlabelled, generator(batch.noise["z"])])
            assert real.features is not None and fake.features is not None
            distance = real.features.detach().mean(0) - fake.features.mean(0)
            return distance.square().mean() if self.options.matching == "squares" else distance.abs().mean()
        with torch.no_grad():
            fake_samples = generator(batch.noise["z"])
        (known,) = self.adversary.outputs([batch.data["known"]])
        assert known.class_logits is not None
        loss = self.options.labelled * cross_entropy(known.class_logits, batch.data["known_labels"])
        if self.options.unlabelled:
            game = self.adversary.discriminator_loss(unlabelled, [fake_samples], self.generators)
            loss = loss + self.options.unlabelled * game
        return loss

    @property
    def kept(self) -> nn.Module:
        return nn.ModuleDict({"generators": self.generators, "classifier": self.adversary.discriminator})

    def sampler(self, kept: nn.Module) -> Sampler:
        return ClassifyingSampler(kept, self.recipe.latent)


class ClassifyingSampler(GeneratorSampler):
    """Samples of the generator, and what the classifier says of real ones."""

    def __init__(self, kept: nn.Module, latent: Latent) -> None:
        super().__init__(kept.get_submodule("generators"), latent)
        self.classifier = kept.get_submodule("classifier")

    def classify(self, samples: Tensor) -> Tensor:
        device = next(self.classifier.parameters()).device
        class_logits: Tensor = self.classifier(samples.to(device)).class_logits
        return class_logits
