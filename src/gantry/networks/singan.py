"""SinGAN's networks, a pair for each scale of one picture. Rott Shaham et al. 2019, section 3 and their code."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gantry.networks.shapes import image_shape
from gantry.plan.blocks.stepwise_networks import SinganNetworks

PADDING = 5  # zeros around what a scale sees: five 3×3 convolutions without padding
SLOPE = 0.2
DOUBLES_EVERY = 4


def resized(images: Tensor, size: int) -> Tensor:
    """Return images (B, C, ·, ·) at `size` pixels a side, bicubically, smoothed where they shrink."""
    if images.shape[-1] == size:
        return images
    return F.interpolate(images, size=(size, size), mode="bicubic", antialias=True, align_corners=False)


def width_at(networks: SinganNetworks, scale: int) -> int:
    """Channels of a scale, counted from the coarsest."""
    return min(networks.width << scale // DOUBLES_EVERY, networks.widest)


def convolutions(channels: int, width: int, outputs: int) -> nn.Sequential:
    """Four blocks of a 3×3 convolution without padding, BatchNorm and LeakyReLU, and a last convolution."""
    blocks: list[nn.Module] = []
    for inputs in (channels, width, width, width):
        blocks += [nn.Conv2d(inputs, width, 3), nn.BatchNorm2d(width), nn.LeakyReLU(SLOPE)]
    found = nn.Sequential(*blocks, nn.Conv2d(width, outputs, 3))
    for layer in found:
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.02)
    return found


class ScaleGenerator(nn.Module):
    """u + ψ(z + u): u (B, C, R, R) is the enlarged picture of the scale before, z noise of the same shape. Eq. 4."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*convolutions(channels, width, channels), nn.Tanh())

    def forward(self, coarse: Tensor, noise: Tensor) -> Tensor:
        return coarse + self.layers(F.pad(coarse + noise, [PADDING] * 4))


class WindowDiscriminator(nn.Module):
    """Images (B, C, R, R) → logits (B, 1): the mean of what it says of windows of 11×11."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.layers = convolutions(channels, width, 1)

    def map(self, images: Tensor) -> Tensor:
        """Return what it says of every window (B, 1, R − 10, R − 10)."""
        said: Tensor = self.layers(images)
        return said

    def forward(self, images: Tensor) -> Tensor:
        return self.map(images).mean(dim=(2, 3))


class Scales(nn.Module):
    """The generators of all scales, their amplitudes of noise, and the one fixed noise z* (1, 1, R₀, R₀)."""

    amplitudes: Tensor
    fixed: Tensor

    def __init__(self, networks: SinganNetworks, channels: int, sizes: Sequence[int]) -> None:
        super().__init__()
        self.sizes = list(sizes)
        self.channels = channels
        self.generators = nn.ModuleList(
            ScaleGenerator(channels, width_at(networks, scale)) for scale in range(len(sizes))
        )
        self.register_buffer("amplitudes", torch.cat([torch.ones(1), torch.zeros(len(sizes) - 1)]))
        self.register_buffer("fixed", torch.randn(1, 1, sizes[0], sizes[0]))

    def noise_shape(self, scale: int) -> tuple[int, int, int]:
        """Return the shape of one sample's noise: at the coarsest scale one plane, which all channels share."""
        return (1 if scale == 0 else self.channels, self.sizes[scale], self.sizes[scale])

    def step(self, scale: int, below: Tensor | None, noise: Tensor | None, count: int) -> Tensor:
        """Return the pictures of `scale` on those of the scale below; None is none, and noise None is 0."""
        size = self.sizes[scale]
        blank = self.fixed.new_zeros(count, self.channels, size, size)
        coarse = blank if below is None else resized(below, size)
        added = blank if noise is None else self.amplitudes[scale] * noise.expand_as(coarse)
        made: Tensor = self.generators[scale](coarse, added)
        return made

    def below(self, scale: int, noise: Sequence[Tensor], count: int) -> Tensor | None:
        """Return the pictures of the scale below `scale`, made from the coarsest on; None at the coarsest."""
        images: Tensor | None = None
        for level in range(scale):
            images = self.step(level, images, noise[level], count)
        return images

    def rebuilt(self, scale: int) -> Tensor | None:
        """Return the picture (1, C, R, R) of the scale below `scale` at noise z*, 0, 0, …; None at the coarsest."""
        images: Tensor | None = None
        for level in range(scale):
            images = self.step(level, images, self.fixed if level == 0 else None, 1)
        return images


class SinglePicture(nn.Module):
    """Two scales as a function of z (B, Z) alone, which makes the noise of the coarser: other methods' generator."""

    def __init__(self, networks: SinganNetworks, latent: int, channels: int, resolution: int) -> None:
        super().__init__()
        self.scales = Scales(networks, channels, [resolution // 2, resolution])
        self.dense = nn.Linear(latent, (resolution // 2) ** 2)

    def forward(self, z: Tensor) -> Tensor:
        size = self.scales.sizes[0]
        coarse = self.scales.step(0, None, self.dense(z).view(-1, 1, size, size), len(z))
        return self.scales.step(1, coarse, None, len(z))


def build_generator(
    networks: SinganNetworks, latent_dimension: int, sample_shape: tuple[int, ...]
) -> SinglePicture:
    """See `gantry.networks.build_generator`."""
    return SinglePicture(networks, latent_dimension, *image_shape(networks, sample_shape))


def build_discriminator(
    networks: SinganNetworks, sample_shape: tuple[int, ...], outputs: int
) -> WindowDiscriminator:
    """See `gantry.networks.build_discriminator`: that of the largest scale, which says one number."""
    return WindowDiscriminator(image_shape(networks, sample_shape)[0], networks.width)
