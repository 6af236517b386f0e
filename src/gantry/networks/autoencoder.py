"""The pairs of EBGAN and BEGAN: D reconstructs samples, and what it says of one is the error, an energy ≥ 0.

Source: Berthelot et al. 2017, section 3.5 and figure 1 (images); points get plain ReLU networks.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from gantry.networks.initialise import initialise_as
from gantry.networks.linear import Linear
from gantry.networks.mlp import dimension
from gantry.networks.shapes import image_shape
from gantry.plan.architectures import (
    autoencoder_generator,
    autoencoder_halves,
    mlp_autoencoder_halves,
)
from gantry.plan.blocks.networks import AutoencoderNetworks, MlpAutoencoderNetworks
from gantry.plan.layers import Conv, Dense

# How far reconstructions (B, D) are from samples (B, D): (B,).
ERRORS: dict[str, Callable[[Tensor], Tensor]] = {
    "norm": lambda difference: torch.linalg.vector_norm(difference, dim=1),
    "squared": lambda difference: difference.square().mean(1),
    "absolute": lambda difference: difference.abs().mean(1),
}


def as_it_is(network: nn.Module) -> None:
    """Leave PyTorch's default weights."""


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


def rectified(layers: Sequence[Dense]) -> nn.Sequential:
    """Dense layers with ReLU between them."""
    *hidden, last = layers
    modules: list[nn.Module] = []
    for dense in hidden:
        modules += [Linear(dense.inputs, dense.outputs), nn.ReLU()]
    return nn.Sequential(*modules, Linear(last.inputs, last.outputs))


def exponential(convs: Sequence[Conv]) -> list[nn.Module]:
    """Convolutions with ELU after each."""
    modules: list[nn.Module] = []
    for conv in convs:
        modules += [nn.Conv2d(conv.inputs, conv.outputs, conv.kernel, conv.stride, conv.padding), nn.ELU()]
    return modules


def decoder(dense: Dense, convs: Sequence[Conv]) -> nn.Sequential:
    """Codes → images, unbounded: dense to 8×8, convolutions with ELU, sides doubled where the next layer's are."""
    first, *_, last = convs
    modules: list[nn.Module] = [
        nn.Linear(dense.inputs, dense.outputs),
        nn.Unflatten(1, (first.inputs, first.size, first.size)),
    ]
    for conv, following in pairwise(convs):
        modules += exponential([conv])
        if following.size > conv.size:
            modules.append(nn.UpsamplingNearest2d(scale_factor=2))
    return nn.Sequential(*modules, nn.Conv2d(last.inputs, last.outputs, 3, 1, 1))


def build_autoencoder_generator(
    networks: AutoencoderNetworks, latent_dimension: int, sample_shape: tuple[int, ...]
) -> nn.Module:
    """See `gantry.networks.build_generator`: BEGAN's decoder, with weights of its own."""
    dense, *convs = autoencoder_generator(networks, latent_dimension, *image_shape(networks, sample_shape))
    generator = nn.Sequential(decoder(dense, convs), nn.Tanh())
    initialise_as(generator, networks.initialisation.generator, as_it_is)
    return generator


def build_autoencoder(
    networks: AutoencoderNetworks, sample_shape: tuple[int, ...], outputs: int
) -> Autoencoder:
    """See `gantry.networks.build_discriminator`; there is one energy of each image, (B, 1)."""
    (*convs, to_code), (from_code, *back) = autoencoder_halves(networks, *image_shape(networks, sample_shape))
    encoder = nn.Sequential(*exponential(convs), nn.Flatten(), nn.Linear(to_code.inputs, to_code.outputs))
    discriminator = Autoencoder(encoder, decoder(from_code, back), networks.error)
    initialise_as(discriminator, networks.initialisation.discriminator, as_it_is)
    return discriminator


def build_mlp_autoencoder(
    networks: MlpAutoencoderNetworks, sample_shape: tuple[int, ...], outputs: int
) -> Autoencoder:
    """See `gantry.networks.build_discriminator`; there is one energy of each point, (B, 1)."""
    encoder, back = mlp_autoencoder_halves(networks, dimension(networks, sample_shape))
    return Autoencoder(rectified(encoder), rectified(back), networks.error)
