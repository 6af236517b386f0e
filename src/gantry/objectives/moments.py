"""Moment matching: G brings the maximum mean discrepancy to zero, in D's embedding or of the samples themselves."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gantry.objectives.base import Objective, register, total
from gantry.objectives.kernels import squared_mmd, witness_function
from gantry.objectives.wasserstein import clip_weights

# What the mixture is made of where a recipe does not say: Li et al. 2017 and Bińkowski et al. 2018, section 2.1.
MMD_GAN_SCALES = {"rbf": (1.0, 2.0, 4.0, 8.0, 16.0), "rational_quadratic": (0.2, 0.5, 1.0, 2.0, 5.0)}


def root_of(squared: Tensor) -> Tensor:
    """The root of a biased MMD²; rounding may take that to 0, where the root has no slope."""
    return squared.clamp(min=torch.finfo(squared.dtype).eps).sqrt()


def discrepancy(real: Tensor, fake: Tensor, kernel: str, scales: Sequence[float], root: bool) -> Tensor:
    """The unbiased MMD² of two batches (B, D), or with `root` the biased MMD; a scalar."""
    squared = squared_mmd(real, fake, kernel, scales, unbiased=not root)
    return root_of(squared) if root else squared


@register("mmd_gan")
class MmdGan(Objective):
    """loss_G = Σ_k MMD²(D(x), D(G_k(z))), unbiased, and loss_D = −loss_G; D embeds samples in (B, `outputs`).

    With a rational quadratic kernel and a gradient penalty on the witness function, Bińkowski et al. 2018. With
    `clip` 0.01 and `root`, the biased MMD in place of MMD², the code of Li et al. 2017 without the autoencoder
    and the rank penalty that their D carries along: the root has a slope where a clipped D leaves the samples
    so close together that MMD² has none.
    """

    generator_uses_real = True

    def __init__(
        self,
        outputs: int,
        kernel: str,
        scales: Sequence[float] | None = None,
        clip: float | None = None,
        root: bool = False,
    ) -> None:
        self.outputs = outputs
        self.kernel = kernel
        self.scales = scales or MMD_GAN_SCALES[kernel]
        self.clip = clip
        self.root = root

    def discriminator_loss(self, real: Tensor, fakes: Sequence[Tensor]) -> Tensor:
        return -self.generator_loss(real, fakes)

    def generator_loss(self, real: Tensor | None, fakes: Sequence[Tensor]) -> Tensor:
        if real is None:
            raise ValueError("a discrepancy needs D's outputs for a real batch")
        return total(discrepancy(real, fake, self.kernel, self.scales, self.root) for fake in fakes)

    def witness(self, outputs: Tensor, real: Tensor, fake: Tensor) -> Tensor:
        """Return E k(D(a), D(x)) − E k(D(a), D(G(z))) of each D(a) in `outputs` (n, `outputs`): (n,)."""
        return witness_function(outputs, real, fake, self.kernel, self.scales)

    def constrain(self, discriminator: nn.Module) -> None:
        if self.clip is not None:
            clip_weights(discriminator, self.clip)


@register("gmmn")
class MomentMatching(Objective):
    """loss_G = Σ_k MMD(x, G_k(z)), of the samples themselves; there is no discriminator.

    The biased MMD², or with `root` its square root, which keeps its gradient where MMD² is small. Li, Swersky
    and Zemel 2015, eqs. 3 and 8.
    """

    discriminators = 0
    generator_uses_real = True

    def __init__(self, kernel: str, scales: Sequence[float], root: bool = True) -> None:
        self.kernel = kernel
        self.scales = scales
        self.root = root

    def discriminator_loss(self, real: Tensor, fakes: Sequence[Tensor]) -> Tensor:
        raise RuntimeError("GMMN has no discriminator to update")

    def generator_loss(self, real: Tensor | None, fakes: Sequence[Tensor]) -> Tensor:
        if real is None:
            raise ValueError("a discrepancy needs a real batch")
        return total(self._discrepancy(real, fake) for fake in fakes)

    def _discrepancy(self, real: Tensor, fake: Tensor) -> Tensor:
        squared = squared_mmd(real, fake, self.kernel, self.scales, unbiased=False)
        return root_of(squared) if self.root else squared
