"""The pair of BEGAN: D reconstructs images, and what it says of one is the error, an energy ≥ 0.

Source: Berthelot et al. 2017, section 3.5 and figure 1. Weights start as PyTorch has them.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from gantry.networks.initialise import initialise_as
from gantry.networks.shapes import image_shape
from gantry.plan.blocks.image_networks import AutoencoderNetworks

SMALLEST = 8  # pixels a side, between the dense layer and the convolutions

# How far reconstructions (B, D) are from samples (B, D): (B,).
ERRORS: dict[str, Callable[[Tensor], Tensor]] = {
    "norm": lambda difference: torch.linalg.vector_norm(difference, dim=1),
    "squared": lambda difference: difference.square().mean(1),
    "absolute": lambda difference: difference.abs().mean(1),
}


class Autoencoder(nn.Module):
    """Samples (B, *shape) → the errors of their reconstruction, (B, 1).

    `error` is the Euclidean norm of the difference (`norm`), or the mean over its entries of squares
    (`squared`) or absolute values (`absolute`).
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, error: str) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.error = error

    def encode(self, samples: Tensor) -> Tensor:
        """The codes, (B, code)."""
        return self.encoder(samples)

    def forward(self, samples: Tensor) -> Tensor:
        difference = self.decoder(self.encode(samples)) - samples
        # In single precision or wider: an energy is a sum over a whole image.
        wide = difference.to(torch.promote_types(difference.dtype, torch.float32))
        return ERRORS[self.error](wide.flatten(1)).unsqueeze(1)


def conv(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    """A 3×3 convolution and ELU."""
    return [nn.Conv2d(inputs, outputs, 3, stride, 1), nn.ELU()]


def encoder(width: int, code: int, channels: int, resolution: int) -> nn.Sequential:
    """Images → codes: two convolutions at every size down to 8×8, `width` channels more at each; dense."""
    sizes = levels(resolution)
    layers = conv(channels, width)
    for level in range(1, sizes + 1):
        layers += conv(width * level, width * level) + conv(width * level, width * level)
        if level < sizes:
            layers += conv(width * level, width * (level + 1), stride=2)
    features = sizes * width * SMALLEST**2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, code))


def decoder(width: int, code: int, channels: int, resolution: int) -> nn.Sequential:
    """Codes → images, unbounded: dense to 8×8, two convolutions at every size, of `width` channels throughout."""
    layers: list[nn.Module] = [
        nn.Linear(code, width * SMALLEST**2),
        nn.Unflatten(1, (width, SMALLEST, SMALLEST)),
    ]
    for level in range(levels(resolution)):
        layers += [nn.UpsamplingNearest2d(scale_factor=2)] if level else []
        layers += conv(width, width) + conv(width, width)
    return nn.Sequential(*layers, nn.Conv2d(width, channels, 3, 1, 1))


def levels(resolution: int) -> int:
    """How many sizes there are from 8×8 to the image's."""
    return (resolution // SMALLEST).bit_length()


def as_it_is(network: nn.Module) -> None:
    """Leave PyTorch's default weights."""


def build_generator(
    networks: AutoencoderNetworks, latent_dimension: int, sample_shape: tuple[int, ...]
) -> nn.Module:
    """See `gantry.networks.build_generator`: BEGAN's decoder, with weights of its own."""
    shape = image_shape(networks, sample_shape)
    generator = nn.Sequential(decoder(networks.width, latent_dimension, *shape), nn.Tanh())
    initialise_as(generator, networks.initialisation.generator, as_it_is)
    return generator


def build_discriminator(
    networks: AutoencoderNetworks, sample_shape: tuple[int, ...], outputs: int
) -> Autoencoder:
    """See `gantry.networks.build_discriminator`; there is one energy of each image, (B, 1)."""
    sizes = (networks.width, networks.code, *image_shape(networks, sample_shape))
    discriminator = Autoencoder(encoder(*sizes), decoder(*sizes), networks.error)
    initialise_as(discriminator, networks.initialisation.discriminator, as_it_is)
    return discriminator
