"""The DCGAN pair of BCGAN's and RealnessGAN's image experiments, for 32×32 to 256×256, and its variants.

Source: Radford et al. 2016; Miyato et al. 2018 (spectral norm); Xiangli et al. 2020 (the adaptive head);
BCGAN, table 4 (the residual generator); Isola et al. 2017 (PatchGAN).
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from gantry.networks.initialise import initialise, initialise_as
from gantry.networks.minibatch import minibatch_discrimination
from gantry.networks.residual import Norm, ResidualBlock
from gantry.networks.shapes import image_shape, logit_rows
from gantry.networks.spectral import normalise
from gantry.networks.virtual import norm_of, with_reference
from gantry.plan.blocks.image_networks import DcganNetworks


def widths(width: int, resolution: int) -> list[int]:
    """Channels at R/2, R/4, …, 4 pixels a side: `width` beside the image, width·R/8 at 4×4."""
    return [width << level for level in range(resolution.bit_length() - 3)]


class Generator(nn.Module):
    """z (B, Z) → images (B, C, R, R) in [−1, 1].

    ConvTranspose to 4×4, then doublings of the resolution that halve the channels, each with BatchNorm and
    ReLU; the last doubling makes the image, through tanh. No biases. `norm` makes the normalisation of so many
    channels.

    `residual`: two residual blocks more. BCGAN's table 4 does not say where; here at R/8, since their work is the same
    at every level.
    """

    def __init__(
        self,
        width: int,
        latent: int,
        channels: int,
        resolution: int,
        residual: bool = False,
        norm: Norm = nn.BatchNorm2d,
    ) -> None:
        super().__init__()
        first, *others = widths(width, resolution)[::-1]
        layers: list[nn.Module] = [nn.ConvTranspose2d(latent, first, 4, 1, 0, bias=False)]
        size = 4
        for inputs, outputs in pairwise([first, *others, channels]):
            if residual and size == resolution // 8:
                layers += [ResidualBlock(inputs, inputs, norm, bias=False) for _ in range(2)]
            layers += [norm(inputs), nn.ReLU(inplace=True)]
            layers += [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False)]
            size *= 2
        self.layers = nn.Sequential(*layers, nn.Tanh())

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
        return logit_rows(super().forward(features), self.out_channels)


class Discriminator(nn.Module):
    """Images (B, C, R, R) → logits (B·v, outputs), v logits of each image: one, or one for each patch.

    Convolutions with LeakyReLU 0.2, without biases: halvings down to 4×4; minibatch discrimination, if any; a head.
    With `batch_norm` all convolutions but the first have BatchNorm, as in Radford et al. 2016, section 3. PatchGAN
    (Isola et al. 2017, 6.1.2) has three halvings, C64-C128-C256, a layer of stride 1, C512, and a head; kernels 4×4, a
    receptive field of 70×70.
    """

    def __init__(self, networks: DcganNetworks, channels: int, resolution: int, outputs: int) -> None:
        super().__init__()
        width, head = networks.width, HEADS[networks.head]
        if networks.discriminator == "patchgan":
            self.layers = nn.Sequential(
                *conv(channels, 2 * width, 2),
                *conv(2 * width, 4 * width, 2, networks.batch_norm),
                *conv(4 * width, 8 * width, 2, networks.batch_norm),
                *conv(8 * width, 16 * width, 1, networks.batch_norm),
            )
            self.head = head(16 * width, outputs, PatchRows)
            return
        halvings: list[nn.Module] = []
        for before, after in pairwise([channels, *widths(width, resolution)]):
            halvings += conv(before, after, 2, networks.batch_norm and bool(halvings))
        minibatch, features = minibatch_discrimination(networks, after * 4 * 4)
        before_head = [nn.Flatten(), *minibatch] if minibatch else []
        self.layers = nn.Sequential(*halvings, *before_head, nn.Flatten())
        self.head = head(features, outputs)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.layers(images))


def conv(inputs: int, outputs: int, stride: int, batch_norm: bool = False) -> list[nn.Module]:
    """A 4×4 convolution without biases, BatchNorm if `batch_norm`, and LeakyReLU 0.2."""
    return [
        nn.Conv2d(inputs, outputs, 4, stride, 1, bias=False),
        *([nn.BatchNorm2d(outputs)] if batch_norm else []),
        nn.LeakyReLU(0.2, inplace=True),
    ]


def build_generator(
    networks: DcganNetworks, latent_dimension: int, sample_shape: tuple[int, ...]
) -> nn.Module:
    """See `gantry.networks.build_generator`."""
    shape, norm = image_shape(networks, sample_shape), norm_of(networks, nn.BatchNorm2d)
    generator = Generator(networks.width, latent_dimension, *shape, networks.generator == "residual", norm)
    initialise_as(generator, networks.initialisation.generator, initialise)
    return with_reference(networks, generator, latent_dimension)


def build_discriminator(
    networks: DcganNetworks, sample_shape: tuple[int, ...], outputs: int
) -> Discriminator:
    """See `gantry.networks.build_discriminator`."""
    discriminator = Discriminator(networks, *image_shape(networks, sample_shape), outputs)
    initialise_as(discriminator, networks.initialisation.discriminator, initialise)
    if networks.spectral_norm:
        normalise(discriminator, networks.power_iteration or "shared")
    return discriminator
