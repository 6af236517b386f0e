"""RealnessGAN's anchors: the distributions over atoms that stand for "real" and for "generated"."""

from dataclasses import dataclass

import torch
from torch import Tensor

DRAWS = 1000  # samples behind each histogram, in the authors' code
FAKE_DEVIATION = 0.1


@dataclass(frozen=True)
class Anchors:
    """A1 (`real`) and A0 (`fake`): float32 (n,), each sums to 1."""

    real: Tensor
    fake: Tensor


def draw_anchors(atoms: int, shifted: bool, device: torch.device | str) -> Anchors:
    """Draw A1 from U(−1, 1) and A0 from N(0, 0.1²), with the device's own generator and no host sync.

    `shifted` moves A1 by +1 and A0 by −1 over the supports, as the authors' code does.
    """
    fake = histogram(torch.randn(DRAWS, device=device) * FAKE_DEVIATION, atoms)
    real = histogram(torch.rand(DRAWS, device=device) * 2 - 1, atoms)
    if shifted:
        real, fake = shift(real, 1.0), shift(fake, -1.0)
    return Anchors(real, fake)


def histogram(draws: Tensor, bins: int) -> Tensor:
    """Return the shares (bins,) of draws (N,) in equal bins from their own minimum to their own maximum.

    These are `numpy.histogram`'s default bins, the last one closed. Counted by comparison, which runs the
    same on every device, deterministically.
    """
    low, high = draws.aminmax()
    bin_of = ((draws - low) * (bins / (high - low))).long().clamp(max=bins - 1)
    return (bin_of.unsqueeze(1) == torch.arange(bins, device=draws.device)).float().mean(0)


def shift(masses: Tensor, by: float) -> Tensor:
    """Move masses (n,) at linspace(−1, 1, n) by `by`, clamp to [−1, 1], and put them on the atoms again.

    A mass between two atoms is split linearly: the categorical projection of C51 (Bellemare et al. 2017).
    """
    atoms = masses.shape[0]
    supports = torch.linspace(-1.0, 1.0, atoms, device=masses.device)
    position = ((supports + by).clamp(-1.0, 1.0) + 1.0) * ((atoms - 1) / 2)
    share = 1.0 - (position.unsqueeze(1) - torch.arange(atoms, device=masses.device)).abs()
    return masses @ share.clamp(min=0.0)
