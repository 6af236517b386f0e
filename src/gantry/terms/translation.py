"""Losses of translators, one function an equation: how far what comes out is from what should.

Images are (B, C, R, R) in [−1, 1], points (B, D). Each returns a scalar, the mean over the batch and over all numbers,
as pix2pix's and CycleGAN's code has it.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

Distance = Callable[[Tensor, Tensor], Tensor]
DISTANCES: dict[str, Distance] = {"l1": l1_loss, "l2": mse_loss}


def match(there: Tensor, y: Tensor, distance: str = "l1") -> Tensor:
    """E‖y − G(x)‖: a translation and the truth. Isola et al. 2017, eq. 3; `l2`: Ledig et al. 2017, eq. 4."""
    return DISTANCES[distance](there, y)


def cycle(back: Tensor, x: Tensor, distance: str = "l1") -> Tensor:
    """E‖F(G(x)) − x‖: there and back. Zhu et al. 2017, eq. 2; `l2`: Kim et al. 2017, eq. 5."""
    return DISTANCES[distance](back, x)


def identity(itself: Tensor, y: Tensor, distance: str = "l1") -> Tensor:
    """E‖G(y) − y‖: what is of the target domain already. Zhu et al. 2017, section 5.2."""
    return DISTANCES[distance](itself, y)


def total_variation(images: Tensor) -> Tensor:
    """E of the squared differences of neighbours, summed over both directions. Aly and Dubois 2005."""
    down = images[..., 1:, :] - images[..., :-1, :]
    across = images[..., :, 1:] - images[..., :, :-1]
    return down.square().mean() + across.square().mean()


def feature_matching(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Mean over depths of E‖D⁽ⁱ⁾(x, y) − D⁽ⁱ⁾(x, G(x))‖₁, real features as constants. Wang et al. 2018, eq. 4."""
    return torch.stack(
        [l1_loss(ours, theirs.detach()) for ours, theirs in zip(fake, real, strict=True)]
    ).mean()


def mean_feature_matching(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Mean over depths of ‖E D⁽ⁱ⁾(y) − E D⁽ⁱ⁾(G(x))‖², batch means, squares averaged. Kim et al. 2017, their code."""
    return torch.stack(
        [mse_loss(ours.mean(0), theirs.detach().mean(0)) for ours, theirs in zip(fake, real, strict=True)]
    ).mean()


def perceptual(there: Sequence[Tensor], y: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Σᵢ wᵢ·E‖φᵢ(y) − φᵢ(G(x))‖₁ over depths of a fixed network. Johnson et al. 2016; Wang et al. 2018."""
    return torch.stack([w * l1_loss(a, b) for w, a, b in zip(weights, there, y, strict=True)]).sum()
