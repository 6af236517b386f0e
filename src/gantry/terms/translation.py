"""Losses of translators, one function an equation: how far what comes out is from what should.

Images are (B, C, R, R) in [−1, 1], points (B, D). Each returns a scalar, the mean over the batch and over all numbers,
as pix2pix's and CycleGAN's code has it.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, l1_loss, mse_loss, smooth_l1_loss, softplus

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


def forward(there: Tensor, x: Tensor) -> Tensor:
    """Smooth L1 of G(x) and x, both in means of 3×3 pixels, one in every second place. ComboGAN's code, λ_fwd."""
    return smooth_l1_loss(avg_pool2d(there, 3, stride=2), avg_pool2d(x, 3, stride=2))


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


def perceptual(
    there: Sequence[Tensor], y: Sequence[Tensor], weights: Sequence[float], distance: str = "l1"
) -> Tensor:
    """Σᵢ wᵢ·E‖φᵢ(y) − φᵢ(G(x))‖ over depths of a fixed network. Wang et al. 2018; `l2`: Ledig et al. 2017, eq. 5."""
    of = DISTANCES[distance]
    return torch.stack([w * of(a, b) for w, a, b in zip(weights, there, y, strict=True)]).sum()


# ── codes and styles ────────────────────────────────────────────────────────────────────────────────────


def self_reconstruction(itself: Tensor, x: Tensor) -> Tensor:
    """E‖D_a(E_a(x)) − x‖₁: to the code and back. Liu et al. 2017, eq. 3; Huang et al. 2018, eq. 2."""
    return l1_loss(itself, x)


def code_consistency(code_again: Tensor, code: Tensor) -> Tensor:
    """E‖E_b(D_b(c)) − c‖₁: what a translation is encoded to. Huang et al. 2018, eq. 3; Royer et al. 2017, eq. 5."""
    return l1_loss(code_again, code)


def style_recovery(style_again: Tensor, z: Tensor) -> Tensor:
    """E‖S(D(c, z)) − z‖₁: the style of what was given one. Huang et al. 2018, eq. 4; Zhu et al. 2017b, eq. 7."""
    return l1_loss(style_again, z)


def code_prior(code: Tensor) -> Tensor:
    """E μ², the mean over all numbers of a code: (2/d)·KL(N(μ, I) ‖ N(0, I)). UNIT's code; Liu et al. 2017, eq. 3."""
    return code.square().mean()


def style_prior(mean: Tensor, log_deviation: Tensor) -> Tensor:
    """KL(N(μ, σ²) ‖ N(0, I)) = ½ Σ (μ² + σ² − 1 − ln σ²), the mean over the batch; nats. Zhu et al. 2017b, eq. 5."""
    variance = (2 * log_deviation).exp()
    return 0.5 * (mean.square() + variance - 1 - 2 * log_deviation).sum(1).mean()


def domain_confusion(of_a: Tensor, of_b: Tensor, form: str) -> Tensor:
    """What encoders minimise against a classifier with logits l of domain b, on codes of a and of b; nats.

    `reversed`: −½·E[−log σ(l_b) − log(1 − σ(l_a))], the classifier's loss with the other sign, as a reversed gradient
    has it (Ganin et al. 2016, eq. 18; Royer et al. 2017, eq. 3). `half`: E[−½ log σ(l) − ½ log(1 − σ(l))], least where
    σ(l) = ½, ln 2 (Lee et al. 2018, eq. 2).
    """
    if form == "reversed":
        return -0.5 * (softplus(-of_b).mean() + softplus(of_a).mean())
    both = torch.cat([of_a, of_b])
    return 0.5 * (softplus(-both) + softplus(both)).mean()


def mode_seeking(one: Tensor, other: Tensor, z_one: Tensor, z_other: Tensor) -> Tensor:
    """1 / (‖G(x, z₁) − G(x, z₂)‖₁ / ‖z₁ − z₂‖₁ + ε), means over the batch and all numbers. Mao et al. 2019, eq. 3."""
    return 1 / (l1_loss(one, other) / l1_loss(z_one, z_other) + 1e-5)
