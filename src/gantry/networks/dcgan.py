"""The DCGAN pair of BCGAN's and RealnessGAN's image experiments, for 32×32 to 256×256.

Source: Radford et al. 2016; Miyato et al. 2018 (spectral norm); Xiangli et al. 2020 (the adaptive head).
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from gantry.errors import UserError
from gantry.networks.initialise import initialise
from gantry.plan.blocks.networks import DcganNetworks

RESOLUTIONS = (32, 64, 128, 256)


class Generator(nn.Module):
    """z (B, Z) → images (B, C, R, R) in [−1, 1].

    ConvTranspose to 4×4, then doublings of the resolution that halve the channels, each with BatchNorm and
    ReLU; the last doubling makes the image, through tanh. No biases.
    """

    def __init__(self, latent_dimension: int, widths: list[int], channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.ConvTranspose2d(latent_dimension, widths[0], 4, 1, 0, bias=False)]
        for inputs, outputs in pairwise(widths):
            layers += [
                nn.BatchNorm2d(inputs),
                nn.ReLU(inplace=True),
                nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False),
            ]
        layers += [
            nn.BatchNorm2d(widths[-1]),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1, bias=False),
            nn.Tanh(),
        ]
        self.layers = nn.Sequential(*layers)
        initialise(self)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z[:, :, None, None])


class LinearHead(nn.Module):
    """Features (B, F) → logits (B, outputs)."""

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, outputs)

    def forward(self, features: Tensor) -> Tensor:
        return self.linear(features)


class AdaptiveHead(nn.Module):
    """Features (B, F) → logits (B, outputs), drawn from N(µ, σ²) with µ and log σ² linear in the features.

    RealnessGAN's "adaptive reparameterisation": logits = µ + ε·σ, ε ~ N(0, I), in training and evaluation.
    """

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, 2 * outputs)

    def forward(self, features: Tensor) -> Tensor:
        mean, log_variance = self.linear(features).chunk(2, dim=1)
        return mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)


HEADS: dict[str, type[nn.Module]] = {"linear": LinearHead, "adaptive": AdaptiveHead}


class Discriminator(nn.Module):
    """Images (B, C, R, R) → logits (B, outputs).

    Halvings of the resolution down to 4×4, each with LeakyReLU 0.2, without BatchNorm or biases; then a head.
    """

    def __init__(self, channels: int, widths: list[int], head: str, outputs: int, normalised: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, width in zip([channels, *widths], widths, strict=False):
            layers += [nn.Conv2d(inputs, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.head = HEADS[head](widths[-1] * 4 * 4, outputs)
        initialise(self)
        if normalised:
            normalise(self)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.layers(images))


def normalise(network: nn.Module) -> None:
    """Wrap every convolution and Linear layer of an initialised network in spectral norm, in place.

    In train mode each forward pass makes one step of the power iteration.
    """
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    for layer in layers:
        spectral_norm(layer)


def build_generator(
    networks: DcganNetworks, latent_dimension: int, sample_shape: tuple[int, ...]
) -> Generator:
    """See `gantry.networks.build_generator`."""
    channels, resolution = _channels_and_resolution(sample_shape)
    return Generator(latent_dimension, _widths(networks.width, resolution)[::-1], channels)


def build_discriminator(
    networks: DcganNetworks, sample_shape: tuple[int, ...], outputs: int
) -> Discriminator:
    """See `gantry.networks.build_discriminator`."""
    channels, resolution = _channels_and_resolution(sample_shape)
    widths = _widths(networks.width, resolution)
    return Discriminator(channels, widths, networks.head, outputs, networks.spectral_norm)


def _widths(width: int, resolution: int) -> list[int]:
    """Channels at R/2, R/4, …, 4 pixels: `width` beside the image, width·R/8 at 4×4."""
    return [width * (resolution // 2 // size) for size in _sizes(resolution)]


def _sizes(resolution: int) -> list[int]:
    return [resolution >> halvings for halvings in range(1, resolution.bit_length() - 2)]


def _channels_and_resolution(sample_shape: tuple[int, ...]) -> tuple[int, int]:
    is_square_image = len(sample_shape) == 3 and sample_shape[1] == sample_shape[2]
    if not is_square_image or sample_shape[1] not in RESOLUTIONS:
        raise UserError(
            f"networks.family dcgan: the data set's samples have shape {tuple(sample_shape)}, but this "
            f"family is for square images (channels, R, R) with R one of {', '.join(map(str, RESOLUTIONS))}; "
            "prepare the data at one of these resolutions, or use family mlp for points"
        )
    return sample_shape[0], sample_shape[1]
