"""StackGAN: an image of a condition in two stages, the second of which corrects the first. Zhang et al. 2017."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from gantry.data.batches import Stream
from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.methods.base import Method, Phase, register
from gantry.methods.batch import Batch
from gantry.methods.conditional import ConditionalSampler, condition_of, other_condition
from gantry.methods.labelled import labels_beside
from gantry.methods.latents import draw_latents
from gantry.methods.sampler import Sampler
from gantry.methods.stage import Stage
from gantry.networks.lapgan import pyramid
from gantry.networks.shapes import image_shape
from gantry.networks.stackgan import Moments, PairDiscriminator, Stages, Tree, nearest
from gantry.plan.blocks.players import Latent
from gantry.plan.blocks.stepwise_networks import StackganNetworks
from gantry.plan.methods.stackgan import StackedOptions
from gantry.plan.recipe import Recipe


def kl_to_normal(mean: Tensor, log_deviation: Tensor) -> Tensor:
    """Return KL(N(μ, σ²) ‖ N(0, 1)), the mean over samples and numbers, of μ and log σ, (B, C) each."""
    return (-log_deviation + 0.5 * ((2 * log_deviation).exp() + mean.square() - 1)).mean()


class Stacked(Method):
    """Pairs (x, y), (x, ŷ) that do not fit, and (G(z, y), y) at one or more sizes, a discriminator each.

    L_D = s(−D(x, y)) + w·[s(D(x, ŷ)) + s(D(G(z, y), y))], and L_G = s(−D(G(z, y), y)) + λ·KL; s is softplus.
    """

    kind: type[Stages] | type[Tree]
    of_pairs: float
    """w: what mismatched and generated pairs weigh."""

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        super().__init__(recipe, data)
        networks = recipe.networks
        options = recipe.method
        assert isinstance(networks, StackganNetworks) and isinstance(options, StackedOptions)
        self.options: Any = options
        width = data.condition
        if width < 2:
            raise UserError(
                f"method {self.options.name}: the data set has no labels of two values or more: take one that has "
                "(digits, cifar10, svhn, a folder with a folder for each class, celeba with attributes)"
            )
        channels, resolution = image_shape(networks, data.sample)
        self.generator = self.kind(
            networks, recipe.latent.dimension, width, options.augmentation, channels, resolution
        )
        self.discriminators = nn.ModuleList(
            PairDiscriminator(networks, self.told_width(width), options.width, channels, size)
            for size in self.generator.sizes
        )

    def told_width(self, width: int) -> int:
        """Return how many numbers D is told of a condition of so many."""
        return width

    def streams(self, prepared: PreparedSet) -> dict[str, Stream]:
        options = self.options
        return {"x": labels_beside(prepared, self.data, options.captions, options.shuffled)}

    def draw(self, phase: str, size: int, device: torch.device) -> dict[str, Tensor]:
        noise = {
            "z": draw_latents(self.recipe.latent, size, device),
            "augmentation": torch.randn(size, self.generator.numbers, device=device) * self.options.drawn,
        }
        if self.data.classes:
            noise["further"] = torch.randint(1, self.data.classes, (size,), device=device)
        return noise

    def conditions(self, batch: Batch, moments: Sequence[Moments]) -> tuple[Tensor, Tensor]:
        """Return what D is told of fitting pairs, and of those that do not fit."""
        assert batch.labels is not None
        return condition_of(batch.labels, self.data), other_condition(batch, self.data)

    def discriminator_loss(
        self, scale: int, real: Tensor, fake: Tensor, fits: Tensor, other: Tensor
    ) -> Tensor:
        """Return the loss of the discriminator of one size on images of that size."""
        discriminator = self.discriminators[scale]
        right, wrong, made = (
            discriminator(images, told).logits for images, told in ((real, fits), (real, other), (fake, fits))
        )
        return softplus(-right).mean() + self.of_pairs * (softplus(wrong).mean() + softplus(made).mean())

    def generator_loss(self, scale: int, fake: Tensor, fits: Tensor) -> Tensor:
        """Return G's loss at one size."""
        return softplus(-self.discriminators[scale](fake, fits).logits).mean()

    @property
    def learning(self) -> list[int]:
        """The sizes, by number, that learn now."""
        return list(range(len(self.generator.sizes)))

    def loss(self, phase: str, batch: Batch) -> Tensor:
        assert batch.labels is not None
        y = condition_of(batch.labels, self.data)
        with torch.set_grad_enabled(phase == "generator" and torch.is_grad_enabled()):
            images, moments = self.generator(batch.noise["z"], y, batch.noise["augmentation"])
        fits, other = self.conditions(batch, moments)
        if phase == "generator":
            losses = [self.generator_loss(scale, images[scale], fits) for scale in self.learning]
            return (
                torch.stack(losses).sum()
                + self.options.kl * kl_to_normal(*moments[-1])
                + self.of_images(images)
            )
        sizes = self.generator.sizes
        real = {images.shape[-1]: images for images in pyramid(batch.x, sizes[0])}
        losses = [
            self.discriminator_loss(scale, real[sizes[scale]], images[scale], fits, other)
            for scale in self.learning
        ]
        return torch.stack(losses).sum()

    def of_images(self, images: Sequence[Tensor]) -> Tensor | float:
        """Return what G's loss says of its images beside what D does."""
        return 0.0

    @property
    def kept(self) -> nn.Module:
        return nn.ModuleDict({"generator": self.generator})

    def sampler(self, kept: nn.Module) -> Sampler:
        sampler = StackedSampler(kept, self.recipe.latent, self.data, self.options.drawn)
        sampler.captions = self.options.captions
        return sampler


@register("stackgan")
class Stackgan(Stacked):
    """Stage I alone, and then stage II on what it makes; mismatched and generated pairs weigh ½."""

    kind = Stages
    of_pairs = 0.5
    number = 0

    @property
    def phases(self) -> tuple[Phase, ...]:
        updates, which = self.recipe.updates, ("first", "second")[self.number]
        return (
            Phase("discriminator", (f"discriminators.{self.number}",), updates.discriminator),
            Phase("generator", (f"generator.{which}",), updates.generator),
        )

    def stages(self) -> tuple[Stage, ...]:
        return Stage(), Stage(self.options.first, fresh=True)

    def enter(self, stage: Stage) -> None:
        self.number = int(stage.start > 0)
        assert isinstance(self.generator, Stages)
        self.generator.stand(self.number)

    @property
    def learning(self) -> list[int]:
        return [self.number]


class StackedSampler(ConditionalSampler):
    """Samples of the finest size ("G1"), and those of the sizes before ("16"), enlarged by repeating pixels."""

    mixed = False

    def __init__(self, kept: nn.Module, latent: Latent, data: DataShape, drawn: bool) -> None:
        super().__init__(kept, latent, data, None)
        generator = self.generator
        assert isinstance(generator, Stages | Tree)
        if isinstance(generator, Stages):
            generator.recall()
        self.sizes, self.numbers, self.drawn = generator.sizes, generator.numbers, drawn
        self.sources = ("G1", *(str(size) for size in self.sizes[-2::-1]))

    def inputs(
        self, source: str, rows: range, randomness: torch.Generator, held_out: PreparedSet | None = None
    ) -> dict[str, Tensor]:
        drawn = super().inputs(source, rows, randomness, held_out)
        noise = torch.randn(len(rows), self.numbers, generator=randomness) * self.drawn
        return drawn | {"augmentation": noise}

    def sample(self, source: str, inputs: Mapping[str, Tensor]) -> Tensor:
        y = condition_of(inputs["labels"], self.data)
        images, _ = self.generator(inputs["z"], y, inputs["augmentation"])
        # In stage I there is but its image.
        wanted = len(self.sizes) - 1 if source == "G1" else self.sizes.index(int(source))
        return nearest(images[min(wanted, len(images) - 1)], self.sizes[-1])
