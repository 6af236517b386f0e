"""Penalties on the slope of D: WGAN-GP, GAN-0GP, DRAGAN, R1 and R2 are settings of one term.

| method | settings | source |
|---|---|---|
| WGAN-GP | center 1, points lines, weight 10 | Gulrajani et al. 2017, eq. 3 |
| GAN-0GP | center 0, points lines | Thanh-Tung et al. 2019 |
| R1, R2 | center 0, points real (generated), halved, weight γ | Mescheder et al. 2018, eqs. 9 and 10 |
| MMD-GAN | center 1, points lines, through witness, weight 1 | Bińkowski et al. 2018 |
| DRAGAN | center 1, points perturbed, weight 10 | Kodali et al. 2017 |
| WGAN-LP | center 1, points lines, one_sided | Petzka et al. 2018, eq. 8 |
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from gantry.terms.base import DISCRIMINATOR_TERMS, DiscriminatorTerm, TermInputs, register
from gantry.terms.histograms import at_least_single


def between(first: Tensor, second: Tensor) -> Tensor:
    """Return a point on the line between each pair of samples, uniformly drawn."""
    along = torch.rand(len(first), *[1] * (first.dim() - 1), device=first.device, dtype=first.dtype)
    return torch.lerp(first, second, along)


def lines(batch: TermInputs, options: Any) -> list[Tensor]:
    """Between the real samples and those of each generated batch."""
    return [between(batch.real_images, fake.to(batch.real_images.dtype)) for fake in batch.fake_images]


def real(batch: TermInputs, options: Any) -> list[Tensor]:
    """The real samples."""
    return [batch.real_images]


def generated(batch: TermInputs, options: Any) -> Sequence[Tensor]:
    """The generated samples of each batch."""
    return batch.fake_images


def perturbed(batch: TermInputs, options: Any) -> list[Tensor]:
    """Between x and x + c·s·u, u uniform on [0, 1) and s the real batch's standard deviation.

    c = `perturbation`. So do DRAGAN's authors in their code, with c = ½; their paper has normal noise instead.
    """
    real = batch.real_images
    return [between(real, real + options.perturbation * real.std() * torch.rand_like(real))]


POINTS: dict[str, Callable[[TermInputs, Any], Sequence[Tensor]]] = {
    "lines": lines,
    "real": real,
    "generated": generated,
    "perturbed": perturbed,
}


def logits(outputs: Tensor, batch: TermInputs, index: int) -> Tensor:
    """D's outputs as they are."""
    return outputs


def sigmoid(outputs: Tensor, batch: TermInputs, index: int) -> Tensor:
    """The probabilities of being real."""
    return outputs.sigmoid()


def witness(outputs: Tensor, batch: TermInputs, index: int) -> Tensor:
    """The objective's witness function of the real and the generated batch between which the points lie."""
    return batch.objective.witness(outputs, batch.real_outputs, batch.fake_outputs[index])


THROUGH: dict[str, Callable[[Tensor, TermInputs, int], Tensor]] = {
    "logits": logits,
    "sigmoid": sigmoid,
    "witness": witness,
}


@register(DISCRIMINATOR_TERMS, "gradient_penalty")
class GradientPenalty(DiscriminatorTerm):
    """E (‖∇ₓD(x)‖ − center)², or half of it; summed over generated batches where the points depend on them.

    With `one_sided` E max(0, ‖∇ₓD(x)‖ − center)². D(x) is the sum of its outputs, raw or through the sigmoid, or
    the witness function of them. Costs a pass through D and one through its gradient. Where D normalises over a
    batch, the gradient of one sample's output has parts in others.
    """

    def forward(self, batch: TermInputs) -> Tensor:
        penalties = [
            self.penalty(batch, points, index)
            for index, points in enumerate(POINTS[self.options.points](batch, self.options))
        ]
        return torch.stack(penalties).sum()

    def penalty(self, batch: TermInputs, points: Tensor, index: int) -> Tensor:
        """The mean over one batch of points, the `index`-th."""
        points = points.detach().requires_grad_()
        said = batch.discriminator(points)
        outputs = at_least_single(getattr(said, "logits", said))
        logits = THROUGH[self.options.through](outputs, batch, index)
        # Where D judges patches an image has several rows of logits, and their mean is the image's.
        rows = max(1, len(logits) // len(points))
        (slopes,) = torch.autograd.grad(logits.sum() / rows, points, create_graph=True)
        # Where D judges packs, a pack is one point: its samples stand together.
        apart = min(len(points), len(logits))
        norms = torch.linalg.vector_norm(at_least_single(slopes).reshape(apart, -1), dim=1)
        excess = norms - self.options.center
        if self.options.one_sided:
            excess = excess.relu()
        return excess.square().mean() * (0.5 if self.options.halved else 1.0)
