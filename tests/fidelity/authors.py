"""RealnessGAN's and BCGAN's step as their authors' code makes it, written anew from what is known of that code.

Plain PyTorch in one file, with nothing of Gantry's in it: networks, anchors, losses, the two updates. Facts: the
divergence is −Σ a·log(d + 1e-16); anchors are histograms of 1,000 draws, shifted by ±1 over linspace(−1, 1, n) by C51's
projection; D sees one batch after the other, the real one first, each a step of PyTorch's older spectral norm; one z
and one optimiser for all generators; every update has a real batch of its own; with three generators D's loss lacks
the third one's term, though not its agreement with the others.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import spectral_norm

DRAWS = 1000


def shifted_histogram(draws: np.ndarray, outcomes: int, by: float) -> np.ndarray:
    """Shares of the draws, moved by `by` over [−1, 1], an atom at a time."""
    counts, _ = np.histogram(draws, bins=outcomes)
    atoms, spacing = np.linspace(-1, 1, outcomes), 2 / (outcomes - 1)
    masses = np.zeros(outcomes)
    for atom, share in zip(atoms, counts / counts.sum(), strict=True):
        place = (min(max(atom + by, -1.0), 1.0) + 1) / spacing
        below = min(int(np.floor(place + 1e-9)), outcomes - 1)
        above = place - below
        masses[below] += share * (1 - above)
        if below + 1 < outcomes:
            masses[below + 1] += share * above
    return masses


def anchors(random: np.random.Generator, outcomes: int) -> tuple[Tensor, Tensor]:
    """A1 (real) and A0 (generated) of one iteration."""
    fake = shifted_histogram(random.normal(0, 0.1, DRAWS), outcomes, -1)
    real = shifted_histogram(random.uniform(-1, 1, DRAWS), outcomes, +1)
    return torch.from_numpy(real), torch.from_numpy(fake)


class Maxout(nn.Module):
    """Units that are the largest of `pieces` affine functions."""

    def __init__(self, inputs: int, units: int, pieces: int) -> None:
        super().__init__()
        self.pieces, self.units = pieces, units
        self.affine = nn.Linear(inputs, units * pieces)

    def forward(self, x: Tensor) -> Tensor:
        return self.affine(x).view(len(x), self.pieces, self.units).max(dim=1).values


def toy_generator(latent: int, width: int = 400) -> nn.Module:
    """z → 4 × [Linear, BatchNorm, ReLU] → Linear → points."""
    layers: list[nn.Module] = []
    for inputs in (latent, width, width, width):
        layers += [nn.Linear(inputs, width), nn.BatchNorm1d(width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, 2))


def toy_discriminator(outcomes: int, units: int = 200) -> nn.Module:
    """Points → 3 × Maxout of 5 pieces → Linear → outcomes."""
    hidden = [Maxout(inputs, units, 5) for inputs in (2, units, units)]
    return nn.Sequential(*hidden, nn.Linear(units, outcomes))


def image_generator(latent: int, width: int, resolution: int) -> nn.Module:
    """z → images, by transposed convolutions 4×4 that halve the channels, without biases."""
    levels = int(np.log2(resolution)) - 2
    channels = [width << level for level in range(levels)][::-1]
    layers: list[nn.Module] = [
        nn.Unflatten(1, (latent, 1, 1)),
        nn.ConvTranspose2d(latent, channels[0], 4, 1, 0, bias=False),
    ]
    for inputs, outputs in zip(channels, [*channels[1:], 3], strict=True):
        layers += [
            nn.BatchNorm2d(inputs),
            nn.ReLU(),
            nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False),
        ]
    return nn.Sequential(*layers, nn.Tanh())


class ImageDiscriminator(nn.Module):
    """Images → outcomes: spectrally normalised convolutions and a layer of (µ, log σ²), all without biases."""

    def __init__(self, outcomes: int, width: int, resolution: int) -> None:
        super().__init__()
        levels = int(np.log2(resolution)) - 2
        layers: list[nn.Module] = []
        for inputs, outputs in zip(
            [3, *(width << k for k in range(levels - 1))], (width << k for k in range(levels)), strict=True
        ):
            layers += [spectral_norm(nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False)), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.head = spectral_norm(nn.Linear((width << levels - 1) * 16, 2 * outcomes, bias=False))

    def forward(self, images: Tensor) -> Tensor:
        mean, log_variance = self.head(self.layers(images)).chunk(2, dim=1)
        return mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)


def cross_entropy(target: Tensor, outcomes: Tensor) -> Tensor:
    """−Σ target·log(outcomes + 1e-16), mean over the batch; both are distributions."""
    return -(target * torch.log(outcomes + 1e-16)).sum(dim=1).mean()


class AuthorsGame:
    """K generators, a discriminator, an optimiser for each side, and the two updates."""

    def __init__(
        self,
        discriminator: nn.Module,
        generators: Sequence[nn.Module],
        rate: float,
        betas: tuple[float, float],
        agreement: float = 0.0,
        spread: float = 0.0,
    ) -> None:
        self.discriminator, self.generators = discriminator, generators
        self.agreement, self.spread = agreement, spread
        weights = [parameter for generator in generators for parameter in generator.parameters()]
        self.for_d = torch.optim.Adam(discriminator.parameters(), lr=rate, betas=betas)
        self.for_g = torch.optim.Adam(weights, lr=rate, betas=betas)

    def outcomes(self, samples: Tensor) -> Tensor:
        """D(x), a distribution over the outcomes."""
        return self.discriminator(samples).softmax(dim=1)

    def discriminator_loss(self, x: Tensor, z: Tensor, real: Tensor, fake: Tensor) -> Tensor:
        """loss_D, without the term of a third generator."""
        on_real = self.outcomes(x)
        on_fakes = [self.outcomes(generator(z).detach()) for generator in self.generators]
        loss = cross_entropy(real, on_real)
        for outcomes in on_fakes[:2]:
            loss = loss + cross_entropy(fake, outcomes)
        for first, second in combinations(on_fakes, 2):
            loss = loss + self.agreement * cross_entropy(first, second)
        return loss

    def generator_loss(self, x: Tensor, z: Tensor, real: Tensor, fake: Tensor) -> Tensor:
        """loss_G, relativistic: towards D(x) of a real batch, which counts as a constant."""
        on_real = self.outcomes(x).detach()
        loss = torch.zeros((), dtype=x.dtype)
        samples = []
        for generator in self.generators:
            samples.append(generator(z))
            outcomes = self.outcomes(samples[-1])
            loss = loss - cross_entropy(fake, outcomes) + cross_entropy(on_real, outcomes)
        for first, second in combinations(samples, 2):
            loss = loss - self.spread * nn.functional.mse_loss(first, second)
        return loss

    def update_discriminator(self, *given: Tensor) -> float:
        """One step of D; its loss."""
        self.for_d.zero_grad()
        loss = self.discriminator_loss(*given)
        loss.backward()
        self.for_d.step()
        return loss.item()

    def update_generators(self, *given: Tensor) -> float:
        """One step of all generators; their loss."""
        self.for_g.zero_grad()
        loss = self.generator_loss(*given)
        loss.backward()
        self.for_g.step()
        return loss.item()
