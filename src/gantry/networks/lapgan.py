"""The Laplacian pyramid, and LAPGAN's networks: one pair at the smallest size, one more at each size above.

Source: Denton et al. 2015, section 3; layers after the authors' code (facebook/eyescream, cifar).
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gantry.networks.shapes import image_shape
from gantry.plan.blocks.stepwise_networks import LapganNetworks

SLOPE = 0.2


def down(images: Tensor) -> Tensor:
    """Return images (B, C, R, R) at half the size: means of squares, which bilinear halving is."""
    return F.avg_pool2d(images, 2)


def up(images: Tensor) -> Tensor:
    """Return images at twice the size, bilinearly."""
    return F.interpolate(images, scale_factor=2, mode="bilinear", align_corners=False)


def enlarged_to(images: Tensor, size: int) -> Tensor:
    """Return images doubled until they have `size` pixels a side."""
    while images.shape[-1] < size:
        images = up(images)
    return images


def pyramid(images: Tensor, smallest: int) -> list[Tensor]:
    """Return I at `smallest` pixels a side, …, I at R: from coarse to fine."""
    levels = [images]
    while levels[0].shape[-1] > smallest:
        levels.insert(0, down(levels[0]))
    return levels


def bands(images: Tensor, smallest: int) -> list[Tensor]:
    """Return the coarsest picture and h = I − up(I below) of every size above it. Their eq. 3."""
    coarsest, *finer = pyramid(images, smallest)
    return [coarsest, *(fine - up(coarse) for coarse, fine in zip([coarsest, *finer], finer, strict=False))]


def reassembled(parts: Sequence[Tensor]) -> Tensor:
    """Return the image of these bands. Their eq. 4."""
    image = parts[0]
    for band in parts[1:]:
        image = up(image) + band
    return image


class BandGenerator(nn.Module):
    """Coarse picture, enlarged, (B, C, R, R), and a plane of noise (B, 1, R, R) → the band to add (B, C, R, R)."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels + 1, width, 7, padding=3),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 7, padding=3),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, channels, 5, padding=2),
        )

    def forward(self, coarse: Tensor, noise: Tensor) -> Tensor:
        return self.layers(torch.cat([coarse, noise], dim=1))


class PictureDiscriminator(nn.Module):
    """Pictures (B, C, R, R), a band on its coarse picture, → logits (B, outputs)."""

    def __init__(self, width: int, channels: int, size: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 5, stride=2, padding=2),
            nn.ReLU(inplace=True),
            nn.Flatten(),
            nn.Dropout(dropout),
        )
        self.head = nn.Linear(width * (size // 2) ** 2, outputs)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.layers(images))


def sizes_of(networks: LapganNetworks, resolution: int) -> list[int]:
    """Pixels a side of the levels, from coarse to fine."""
    return [networks.smallest << level for level in range((resolution // networks.smallest).bit_length())]


class Cascade(nn.Module):
    """z (B, Z), and noise by size (B, 1, R, R) → an image: the smallest from z, then every band on the one below."""

    def __init__(self, networks: LapganNetworks, latent: int, channels: int, resolution: int) -> None:
        super().__init__()
        self.sizes = sizes_of(networks, resolution)
        smallest, *finer = self.sizes
        self.base = nn.Sequential(
            nn.Linear(latent, networks.base_width),
            nn.ReLU(inplace=True),
            nn.Linear(networks.base_width, networks.base_width),
            nn.ReLU(inplace=True),
            nn.Linear(networks.base_width, channels * smallest**2),
            nn.Unflatten(1, (channels, smallest, smallest)),
            nn.Tanh(),
        )
        self.bands = nn.ModuleList(BandGenerator(networks.width, channels) for _ in finer)

    def forward(self, z: Tensor, noise: Mapping[str, Tensor]) -> list[Tensor]:
        """Return the images of all sizes, from coarse to fine, each made of the one before."""
        images = [self.base(z)]
        for size, generator in zip(self.sizes[1:], self.bands, strict=True):
            coarse = up(images[-1])
            images.append(coarse + generator(coarse, noise[f"noise_{size}"]))
        return images


class PyramidGenerator(nn.Module):
    """The cascade as a function of z alone, without noise in the bands: what other methods can do with the family."""

    def __init__(self, cascade: Cascade) -> None:
        super().__init__()
        self.cascade = cascade

    def forward(self, z: Tensor) -> Tensor:
        noise = {f"noise_{size}": z.new_zeros(len(z), 1, size, size) for size in self.cascade.sizes[1:]}
        return self.cascade(z, noise)[-1]


def build_base_discriminator(
    networks: LapganNetworks, channels: int, size: int, outputs: int
) -> nn.Sequential:
    """Return the dense discriminator of the smallest pictures, half as wide as their generator."""
    width = max(1, networks.base_width // 2)
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(channels * size**2, width),
        nn.LeakyReLU(SLOPE),
        nn.Dropout(networks.dropout),
        nn.Linear(width, width),
        nn.LeakyReLU(SLOPE),
        nn.Dropout(networks.dropout),
        nn.Linear(width, outputs),
    )


def build_level_discriminators(
    networks: LapganNetworks, sample_shape: tuple[int, ...], outputs: int
) -> list[nn.Module]:
    """Return a discriminator for the pictures of each size, from coarse to fine."""
    channels, resolution = image_shape(networks, sample_shape)
    smallest, *finer = sizes_of(networks, resolution)
    return [
        build_base_discriminator(networks, channels, smallest, outputs),
        *(PictureDiscriminator(networks.width, channels, size, outputs, networks.dropout) for size in finer),
    ]


def build_generator(
    networks: LapganNetworks, latent_dimension: int, sample_shape: tuple[int, ...]
) -> PyramidGenerator:
    """See `gantry.networks.build_generator`."""
    return PyramidGenerator(Cascade(networks, latent_dimension, *image_shape(networks, sample_shape)))


def build_discriminator(networks: LapganNetworks, sample_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """See `gantry.networks.build_discriminator`: that of the largest pictures."""
    return build_level_discriminators(networks, sample_shape, outputs)[-1]
