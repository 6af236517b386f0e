"""Three players: G makes pairs (G(z, y), y), C completes samples to pairs (x, C(x)), D judges both. Li et al. 2017."""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from gantry.data.batches import Stream
from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.methods.adversary import Adversary
from gantry.methods.base import Method, Phase, game_phases, register
from gantry.methods.batch import Batch
from gantry.methods.conditional import ConditionalSampler, condition_of
from gantry.methods.labelled import classes_of, known_rows
from gantry.methods.latents import draw_latents
from gantry.methods.sampler import Sampler
from gantry.methods.semi_supervised import Classifying
from gantry.networks import build_discriminator, build_generator
from gantry.networks.conditions import GENERATOR_ENTRIES, ConditionalDiscriminator
from gantry.plan.blocks.players import Latent
from gantry.plan.methods.triple_gan import Options
from gantry.plan.recipe import Recipe


@register("triple_gan")
class TripleGan(Method):
    """min over C and G, max over D of E_p log D + ½ E_pc log(1 − D) + ½ E_pg log(1 − D), + R_L, their eqs. 3 to 5.

    At the optimum p = p_c = p_g, which the cross-entropy R_L = E_p −log p_c(y | x) of known pairs makes the only one.
    """

    pseudo: Tensor

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        super().__init__(recipe, data)
        options: Options = recipe.method  # type: ignore[assignment]
        self.options = options
        classes = classes_of(data, options.name)
        build = partial(build_generator, recipe.networks)
        self.generator = GENERATOR_ENTRIES[options.generator](
            lambda latent: build(latent, data.sample), recipe.latent.dimension, classes, options
        )
        body = partial(build_discriminator, recipe.networks)
        self.classifier = Classifying(body(data.sample, classes), options.noise)
        discriminator = ConditionalDiscriminator(
            lambda shape: body(shape, 1), data.sample, options.discriminator, classes, options
        )
        self.adversary = Adversary.of(recipe, discriminator, data.sample)
        # α_P, which begins late; on the device, where a captured graph reads it.
        self.register_buffer("pseudo", torch.zeros(()), persistent=False)

    @property
    def phases(self) -> tuple[Phase, ...]:
        return *game_phases(self.recipe.updates, "generator"), Phase("classifier", ("classifier",))

    def streams(self, prepared: PreparedSet) -> dict[str, Stream]:
        known = known_rows(prepared, self.options.known, self.options.labels_seed)
        return {"x": Stream(), "known": Stream(known, ("labels",))}

    def refill(self, iteration: int) -> None:
        super().refill(iteration)
        self.pseudo.fill_(self.options.pseudo * (iteration >= self.options.pseudo_from))

    def draw(self, phase: str, size: int, device: torch.device) -> dict[str, Tensor]:
        labels = torch.randint(self.data.classes, (size,), device=device)
        return {"z": draw_latents(self.recipe.latent, size, device), "fake_labels": labels}

    def loss(self, phase: str, batch: Batch) -> Tensor:
        asked = condition_of(batch.noise["fake_labels"], self.data)
        if phase == "generator":
            fake = self.generator(batch.noise["z"], asked)
            return 0.5 * self.adversary.generator_loss(batch.x, [fake], self.generator, asked, [asked])
        with torch.no_grad():
            fake = self.generator(batch.noise["z"], asked)
        if phase == "classifier":
            return self.classifier_loss(batch, fake)
        known, y = batch.data["known"], condition_of(batch.data["known_labels"], self.data)
        with torch.no_grad():
            completed = self.likeliest(self.class_logits(batch.x))
        # One batch of both kinds of pairs: its mean is ½ E_pg + ½ E_pc.
        pairs, labels = torch.cat([fake, batch.x]), torch.cat([asked, completed])
        return self.adversary.discriminator_loss(known, [pairs], self.generator, y, [labels])

    def classifier_loss(self, batch: Batch, fake: Tensor) -> Tensor:
        """R_L + α_P·R_P + α·½ E_x E_{y ~ p_c(y | x)} −log D(x, y) + the consistency of two answers."""
        known = self.class_logits(batch.data["known"])
        loss = cross_entropy(known, batch.data["known_labels"])
        loss = loss + self.pseudo * cross_entropy(self.class_logits(fake), batch.noise["fake_labels"])
        said = self.class_logits(batch.x).softmax(1)
        if self.options.adversarial:
            loss = loss + self.options.adversarial * 0.5 * self.against_discriminator(batch.x, said)
        if self.options.consistency:
            again = self.class_logits(batch.x).softmax(1)
            loss = loss + self.options.consistency * (said - again).square().mean()
        return loss

    def against_discriminator(self, x: Tensor, said: Tensor) -> Tensor:
        """E over x of Σ_y p_c(y | x)·(−log D(x, y)), or of the likeliest y's summand alone; a scalar."""
        classes = self.data.classes
        if not self.options.integrate:
            (output,) = self.adversary.outputs([x], [self.likeliest(said)])
            return (said.max(1, keepdim=True).values * nn.functional.softplus(-output.logits)).mean()
        every = torch.eye(classes, device=x.device).repeat_interleave(len(x), 0)
        (output,) = self.adversary.outputs([x.repeat(classes, *[1] * (x.dim() - 1))], [every])
        rejected = nn.functional.softplus(-output.logits).view(classes, len(x)).T
        return (said * rejected).sum(1).mean()

    def class_logits(self, samples: Tensor) -> Tensor:
        """Return ℓ_C (B, K)."""
        logits: Tensor = self.classifier(samples).class_logits
        return logits.float()

    def likeliest(self, said: Tensor) -> Tensor:
        """Return the likeliest class of each row, one-hot (B, K), without a gradient."""
        return one_hot(said.detach().argmax(1), self.data.classes).float()

    @property
    def kept(self) -> nn.Module:
        return nn.ModuleDict({"generator": self.generator, "classifier": self.classifier})

    def sampler(self, kept: nn.Module) -> Sampler:
        return PairsSampler(kept, self.recipe.latent, self.data)


class PairsSampler(ConditionalSampler):
    """Samples of the classes, in turn, and what the classifier says of real ones."""

    def __init__(self, kept: nn.Module, latent: Latent, data: DataShape) -> None:
        super().__init__(kept, latent, data, None)
        self.classifier = kept.get_submodule("classifier")

    def classify(self, samples: Tensor) -> Tensor:
        device = next(self.classifier.parameters()).device
        class_logits: Tensor = self.classifier(samples.to(device)).class_logits
        return class_logits
