"""The DCGAN pair of BCGAN's and RealnessGAN's image experiments, for 32×32 to 256×256, and its variants.

Source: Radford et al. 2016; Miyato et al. 2018 (spectral norm); Xiangli et al. 2020 (the adaptive head);
BCGAN, table 4 (the residual generator); Isola et al. 2017 (PatchGAN).
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from gantry.networks.initialise import initialise, initialise_as
from gantry.networks.minibatch import MinibatchDiscrimination
from gantry.networks.residual import Norm, ResidualBlock, convolution
from gantry.networks.shapes import image_shape, verdict_rows
from gantry.networks.spectral import normalise
from gantry.networks.virtual import norm_of, with_reference
from gantry.plan.architectures import dcgan_discriminator, dcgan_generator
from gantry.plan.blocks.networks import DcganNetworks
from gantry.plan.layers import Conv, Dense, Minibatch, Residual


class Generator(nn.Module):
    """z (B, Z) → images (B, C, R, R) in [−1, 1].

    ConvTranspose to 4×4, then doublings of the resolution that halve the channels, each with BatchNorm and
    ReLU; the last doubling makes the image, through tanh. Residual blocks may stand in between. No biases.
    `norm` makes the normalisation of so many channels.
    """

    def __init__(self, layers: Sequence[Conv | Residual], norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__()
        modules: list[nn.Module] = []
        for layer in layers:
            if isinstance(layer, Residual):
                modules.append(ResidualBlock(layer, norm, bias=False))
                continue
            if modules:
                modules += [norm(layer.inputs), nn.ReLU(inplace=True)]
            modules.append(convolution(layer, bias=False))
        self.layers = nn.Sequential(*modules, nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z[:, :, None, None])


class LinearHead(nn.Module):
    """Features (B, F) → logits (B, outputs); `layer` makes the layer that gives rows of numbers."""

    def __init__(self, features: int, outputs: int, layer: Callable[..., nn.Module] = nn.Linear) -> None:
        super().__init__()
        self.linear = layer(features, outputs)

    def forward(self, features: Tensor) -> Tensor:
        return self.linear(features)


class AdaptiveHead(nn.Module):
    """Features (B, F) → logits (B, outputs), drawn from N(µ, σ²) with µ and log σ² linear in the features.

    RealnessGAN's "adaptive reparameterisation": logits = µ + ε·σ, ε ~ N(0, I), in training and evaluation. As in
    the authors' code the layer has no biases.
    """

    def __init__(self, features: int, outputs: int, layer: Callable[..., nn.Module] = nn.Linear) -> None:
        super().__init__()
        self.linear = layer(features, 2 * outputs, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        mean, log_variance = self.linear(features).chunk(2, dim=1)
        return mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)


HEADS: dict[str, type[LinearHead] | type[AdaptiveHead]] = {"linear": LinearHead, "adaptive": AdaptiveHead}


class PatchRows(nn.Conv2d):
    """Features (B, F, S, S) → rows of numbers (B·(S−1)², outputs), one row a patch."""

    def __init__(self, features: int, outputs: int, bias: bool = True) -> None:
        super().__init__(features, outputs, 4, 1, 1, bias=bias)

    def forward(self, features: Tensor) -> Tensor:
        return verdict_rows(super().forward(features), self.out_channels)


class Discriminator(nn.Module):
    """Images (B, C, R, R) → logits (B·v, outputs), v verdicts on each image: one, or one for each patch.

    Convolutions with LeakyReLU 0.2, without BatchNorm or biases; minibatch discrimination, if any; then a head.
    """

    def __init__(
        self, hidden: Sequence[Conv | Minibatch], last: Conv | Dense, head: str, outputs: int
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for layer in hidden:
            if isinstance(layer, Minibatch):
                layers += [nn.Flatten(), MinibatchDiscrimination(layer)]
            else:
                layers += [convolution(layer, bias=False), nn.LeakyReLU(0.2, inplace=True)]
        if isinstance(last, Conv):
            self.layers = nn.Sequential(*layers)
            self.head = HEADS[head](last.inputs, outputs, PatchRows)
        else:
            self.layers = nn.Sequential(*layers, nn.Flatten())
            self.head = HEADS[head](last.inputs, outputs)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.layers(images))


def build_generator(
    networks: DcganNetworks, latent_dimension: int, sample_shape: tuple[int, ...]
) -> nn.Module:
    """See `gantry.networks.build_generator`."""
    layers = dcgan_generator(networks, latent_dimension, *image_shape(networks, sample_shape))
    generator = Generator(layers, norm_of(networks, nn.BatchNorm2d))
    initialise_as(generator, networks.initialisation.generator, initialise)
    return with_reference(networks, generator, latent_dimension)


def build_discriminator(
    networks: DcganNetworks, sample_shape: tuple[int, ...], outputs: int
) -> Discriminator:
    """See `gantry.networks.build_discriminator`."""
    *hidden, last = dcgan_discriminator(networks, *image_shape(networks, sample_shape), outputs)
    discriminator = Discriminator(hidden, last, networks.head, outputs)
    initialise_as(discriminator, networks.initialisation.discriminator, initialise)
    if networks.spectral_norm:
        normalise(discriminator, networks.power_iteration or "shared")
    return discriminator
