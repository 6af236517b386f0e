"""StackGAN++: images of several sizes from one tree, all at once. Zhang et al. 2018."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import softplus

from gantry.methods.base import Phase, register
from gantry.methods.batch import Batch
from gantry.methods.stackgan import Stacked
from gantry.networks.stackgan import Moments, PairDiscriminator, Tree


def colours(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean (B, C) and the covariance (B, C, C) of the pixels of images (B, C, R, R)."""
    pixels = images.flatten(2)
    mean = pixels.mean(2)
    centred = pixels - mean[:, :, None]
    return mean, centred @ centred.transpose(1, 2) / pixels.shape[2]


def colour_difference(images: Sequence[Tensor]) -> Tensor:
    """Return Σ (μ_i − μ_{i−1})² + 5·(Σ_i − Σ_{i−1})², means over numbers; a coarser image is what is to be met.

    Zhang et al. 2018, eq. 6, with the means of their code.
    """
    losses = []
    for coarse, fine in pairwise(images):
        (mean, covariance), (of_coarse, covariance_of_coarse) = colours(fine), colours(coarse.detach())
        losses.append((mean - of_coarse).square().mean())
        losses.append(5 * (covariance - covariance_of_coarse).square().mean())
    return torch.stack(losses).sum()


@register("stackgan_pp")
class StackganPP(Stacked):
    """All sizes at once; D says of pairs and, u times, of images alone whether they are real. D is told μ(y).

    An image of a pair that does not fit is a real image, so real ones weigh two in the latter.
    """

    kind = Tree
    of_pairs = 1.0

    @property
    def phases(self) -> tuple[Phase, ...]:
        updates = self.recipe.updates
        return (
            Phase("discriminator", ("discriminators",), updates.discriminator),
            Phase("generator", ("generator",), updates.generator),
        )

    def told_width(self, width: int) -> int:
        return int(self.options.augmentation)

    def conditions(self, batch: Batch, moments: Sequence[Moments]) -> tuple[Tensor, Tensor]:
        _, other = super().conditions(batch, moments)
        with torch.no_grad():
            _, (mean_of_other, _) = self.generator.augmentation(  # type: ignore[operator, union-attr]
                other, torch.zeros_like(batch.noise["augmentation"])
            )
        return moments[0][0].detach(), mean_of_other

    def discriminator_loss(
        self, scale: int, real: Tensor, fake: Tensor, fits: Tensor, other: Tensor
    ) -> Tensor:
        discriminator = self.discriminators[scale]
        assert isinstance(discriminator, PairDiscriminator)
        right, wrong, made = (
            discriminator(images, told) for images, told in ((real, fits), (real, other), (fake, fits))
        )
        pairs = softplus(-right.logits) + self.of_pairs * (softplus(wrong.logits) + softplus(made.logits))
        alone = 2 * softplus(-discriminator.alone(right.features)) + softplus(
            discriminator.alone(made.features)
        )
        return (pairs + self.options.unconditional * alone).mean()

    def generator_loss(self, scale: int, fake: Tensor, fits: Tensor) -> Tensor:
        discriminator = self.discriminators[scale]
        assert isinstance(discriminator, PairDiscriminator)
        said = discriminator(fake, fits)
        alone = softplus(-discriminator.alone(said.features))
        return (softplus(-said.logits) + self.options.unconditional * alone).mean()

    def of_images(self, images: Sequence[Tensor]) -> Tensor | float:
        return self.options.colour * colour_difference(images) if self.options.colour else 0.0
