"""PGGAN's pair: networks that begin at 4×4 and are grown, level by level. Karras et al. 2018, table 2.

Every level is there from the start, so weights, averages and checkpoints have one form throughout; `stand` says up
to which one the network goes, and whether that one is being faded in.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gantry.networks.equalised import (
    GAIN,
    SLOPE,
    ChannelBias,
    DeviationMap,
    EqualisedConv,
    EqualisedLinear,
    PixelNorm,
)
from gantry.networks.shapes import image_shape
from gantry.plan.blocks.stepwise_networks import GrowingNetworks, PgganNetworks

SMALLEST = 4  # pixels a side, where growing networks begin


def enlarged(images: Tensor, times: int = 2) -> Tensor:
    """Return images with every pixel as a square of `times` × `times`."""
    return images if times == 1 else F.interpolate(images, scale_factor=times, mode="nearest")


def shrunk(images: Tensor, times: int = 2) -> Tensor:
    """Return images of the means of squares of `times` × `times` pixels."""
    return images if times == 1 else F.avg_pool2d(images, times)


class Growing(nn.Module):
    """What both players have: where they stand.

    `share` is α, the newest level's part in the image, from 0 to 1; a tensor, so that a recorded graph reads it anew.
    Both are buffers: a checkpoint of the middle of a fade is sampled as it was trained.
    """

    size: Tensor
    share: Tensor

    def __init__(self, resolution: int) -> None:
        super().__init__()
        self.register_buffer("size", torch.tensor(resolution))
        self.register_buffer("share", torch.ones(()))
        self.level = level_of(resolution)
        self.fading = False

    def stand(self, size: int, fading: bool) -> None:
        """Go up to `size` pixels a side from now on, that level being faded in or whole."""
        self.size.fill_(size)
        self.share.fill_(0 if fading else 1)
        self.level, self.fading = level_of(size), fading

    def recall(self) -> None:
        """Stand where the loaded buffers say."""
        self.level, self.fading = level_of(int(self.size)), bool(self.share < 1)

    def draws(
        self, count: int, device: torch.device, randomness: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """Draw what a generator is given beside z, a row a sample, by the names of its arguments."""
        return {}

    def faded(self, old: Tensor, new: Tensor) -> Tensor:
        """Return (1 − α)·old + α·new: `old` to the bit where α = 0, `new` where it is 1."""
        return torch.lerp(old, new, self.share.to(new.dtype))


def level_of(size: int) -> int:
    """Return which level has this many pixels a side: 0 for 4."""
    return size.bit_length() - SMALLEST.bit_length()


def growing_widths(networks: GrowingNetworks, resolution: int) -> list[int]:
    """Numbers of D's dense layer, then channels at 4×4, 8×8, …, R×R."""
    return [max(1, min(networks.base >> s, networks.width)) for s in range(level_of(resolution) + 2)]


def rectified(*layers: nn.Module, norm: bool) -> nn.Sequential:
    """Return the layers, LeakyReLU behind, and pixel norm behind that."""
    return nn.Sequential(*layers, nn.LeakyReLU(SLOPE), *([PixelNorm()] if norm else []))


class Generator(Growing):
    """z (B, Z) → images (B, C, S, S), S being the size where it stands; about [−1, 1], without an output function."""

    def __init__(self, widths: Sequence[int], latent: int, channels: int, resolution: int) -> None:
        super().__init__(resolution)
        first = widths[0]
        self.start = rectified(
            PixelNorm(),
            EqualisedLinear(latent, first * SMALLEST**2, gain=GAIN / 4, bias=False),
            nn.Unflatten(1, (first, SMALLEST, SMALLEST)),
            ChannelBias(first),
            norm=True,
        )
        self.blocks = nn.ModuleList([rectified(EqualisedConv(first, first, 3), norm=True)])
        for inputs, outputs in pairwise(widths):
            self.blocks.append(
                nn.Sequential(
                    nn.Upsample(scale_factor=2),
                    rectified(EqualisedConv(inputs, outputs, 3), norm=True),
                    rectified(EqualisedConv(outputs, outputs, 3), norm=True),
                )
            )
        self.to_image = nn.ModuleList(EqualisedConv(width, channels, 1, gain=1) for width in widths)

    def forward(self, z: Tensor) -> Tensor:
        features = [self.start(z)]
        for block in self.blocks[: self.level + 1]:
            features.append(block(features[-1]))
        image: Tensor = self.to_image[self.level](features[-1])
        if not self.fading:
            return image
        return self.faded(enlarged(self.to_image[self.level - 1](features[-2])), image)


class Discriminator(Growing):
    """Images (B, C, S, S) of the size where it stands → logits (B, outputs). No normalisation.

    `blur` stands before the convolution that ends in a halving of the size, as in StyleGAN's code.
    """

    def __init__(
        self,
        widths: Sequence[int],
        hidden: int,
        channels: int,
        resolution: int,
        outputs: int,
        group: int,
        blur: type[nn.Module] = nn.Identity,
    ) -> None:
        super().__init__(resolution)
        self.from_image = nn.ModuleList(
            rectified(EqualisedConv(channels, width, 1), norm=False) for width in widths
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(
                rectified(EqualisedConv(width, width, 3), norm=False),
                blur(),
                rectified(EqualisedConv(width, smaller, 3), norm=False),
                nn.AvgPool2d(2),
            )
            for smaller, width in pairwise(widths)
        )
        self.last = nn.Sequential(
            DeviationMap(group),
            rectified(EqualisedConv(widths[0] + 1, widths[0], 3), norm=False),
            nn.Flatten(),
            rectified(EqualisedLinear(widths[0] * SMALLEST**2, hidden), norm=False),
        )
        self.head: nn.Module = EqualisedLinear(hidden, outputs, gain=1)

    def forward(self, images: Tensor) -> Tensor:
        features = self.from_image[self.level](images)
        for level in range(self.level, 0, -1):
            features = self.blocks[level - 1](features)
            if self.fading and level == self.level:
                features = self.faded(self.from_image[level - 1](shrunk(images)), features)
        return self.head(self.last(features))


def build_generator(
    networks: PgganNetworks, latent_dimension: int, sample_shape: tuple[int, ...]
) -> Generator:
    """See `gantry.networks.build_generator`."""
    channels, resolution = image_shape(networks, sample_shape)
    _, *widths = growing_widths(networks, resolution)
    return Generator(widths, latent_dimension, channels, resolution)


def build_discriminator(
    networks: PgganNetworks, sample_shape: tuple[int, ...], outputs: int
) -> Discriminator:
    """See `gantry.networks.build_discriminator`."""
    channels, resolution = image_shape(networks, sample_shape)
    hidden, *widths = growing_widths(networks, resolution)
    return Discriminator(widths, hidden, channels, resolution, outputs, networks.group)
