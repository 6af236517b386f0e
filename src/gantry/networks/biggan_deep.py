"""BigGAN-deep's pair, for 32×32 to 256×256. Brock et al. 2019, figure 16 and tables 7 to 9.

Sizes of 32 and 64, which the paper has not, are those of ajbrock/BigGAN-PyTorch, and orthogonal initial weights are of
both. There the last convolution has 128 channels, of which three are taken; here three, as the tables have it.
"""

from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from gantry.networks.attention import SelfAttention
from gantry.networks.initialise import fill, initialise_as
from gantry.networks.shapes import image_shape
from gantry.networks.spectral import normalise
from gantry.plan.blocks.image_networks import BigganDeepNetworks

SHRINK = 4  # a block's inner channels are a quarter
SMALLEST = 4
# Channels, in widths, before and behind each doubling of G, by resolution; the first stands at 4×4.
GENERATORS = {
    32: (4, 4, 4, 4),
    64: (16, 16, 8, 4, 2),
    128: (16, 16, 8, 4, 2, 1),
    256: (16, 16, 8, 8, 4, 2, 1),
}
# … of D, before the first halving and behind each; at 32×32 there are two halvings, and two blocks at 8×8.
DISCRIMINATORS = {
    32: (4, 4, 4, 4),
    64: (1, 2, 4, 8, 16),
    128: (1, 2, 4, 8, 16, 16),
    256: (1, 2, 4, 8, 8, 16, 16),
}
orthogonal = partial(fill, how=nn.init.orthogonal_)


class GeneratorBlock(nn.Module):
    """x (B, inputs, S, S) → convolutions 1×1, 3×3, 3×3, 1×1 of x, each behind BatchNorm and ReLU, + shortcut(x).

    The inner ones have a quarter of the `inputs`. The shortcut drops the last channels where there are to be fewer;
    `up` doubles the sides, before the first 3×3. Brock et al. 2019, figure 16 (b).
    """

    def __init__(self, inputs: int, outputs: int, up: bool) -> None:
        super().__init__()
        self.outputs, inner = outputs, max(1, inputs // SHRINK)
        self.doubled: nn.Module = nn.Upsample(scale_factor=2) if up else nn.Identity()
        self.residual = nn.Sequential(
            *_rectified(inputs),
            nn.Conv2d(inputs, inner, 1),
            *_rectified(inner),
            self.doubled,
            nn.Conv2d(inner, inner, 3, padding=1),
            *_rectified(inner),
            nn.Conv2d(inner, inner, 3, padding=1),
            *_rectified(inner),
            nn.Conv2d(inner, outputs, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.residual(x) + self.doubled(x[:, : self.outputs])


def _rectified(channels: int) -> list[nn.Module]:
    # Not in place: the shortcut reads the same tensor.
    return [nn.BatchNorm2d(channels), nn.ReLU()]


class DiscriminatorBlock(nn.Module):
    """x (B, inputs, S, S) → convolutions 1×1, 3×3, 3×3, 1×1 of x, each behind a ReLU, + shortcut(x); no norm.

    The inner ones have a quarter of the `outputs`. The shortcut keeps x and joins what is missing, a 1×1 convolution
    of it; `down` halves the sides, before the last 1×1. Brock et al. 2019, figure 16 (c).
    """

    def __init__(self, inputs: int, outputs: int, down: bool) -> None:
        super().__init__()
        inner = max(1, outputs // SHRINK)
        self.halved: nn.Module = nn.AvgPool2d(2) if down else nn.Identity()
        self.residual = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(inputs, inner, 1),
            nn.ReLU(),
            nn.Conv2d(inner, inner, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(inner, inner, 3, padding=1),
            nn.ReLU(),
            self.halved,
            nn.Conv2d(inner, outputs, 1),
        )
        self.joined = nn.Conv2d(inputs, outputs - inputs, 1) if outputs > inputs else None

    def forward(self, x: Tensor) -> Tensor:
        x, made = self.halved(x), self.residual(x)
        return made + (x if self.joined is None else torch.cat([x, self.joined(x)], dim=1))


class Generator(nn.Module):
    """z (B, Z) → images (B, C, R, R) in [−1, 1]: dense to 4×4, two blocks a size, the second of which doubles it."""

    def __init__(
        self, width: int, latent: int, channels: int, resolution: int, attention: int | None
    ) -> None:
        super().__init__()
        first, *others = (multiple * width for multiple in GENERATORS[resolution])
        layers: list[nn.Module] = [
            nn.Linear(latent, first * SMALLEST**2),
            nn.Unflatten(1, (first, SMALLEST, SMALLEST)),
        ]
        inputs, side = first, SMALLEST
        for outputs in others:
            layers += [GeneratorBlock(inputs, inputs, up=False), GeneratorBlock(inputs, outputs, up=True)]
            inputs, side = outputs, 2 * side
            layers += [SelfAttention(outputs)] if side == attention else []
        last = nn.Conv2d(inputs, channels, 3, padding=1)
        self.layers = nn.Sequential(*layers, nn.BatchNorm2d(inputs), nn.ReLU(), last, nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


class Discriminator(nn.Module):
    """Images (B, C, R, R) → logits (B, outputs): two blocks a size, the first of which halves it; ReLU, sum, dense."""

    def __init__(
        self, width: int, channels: int, resolution: int, outputs: int, attention: int | None
    ) -> None:
        super().__init__()
        first, *others = (multiple * width for multiple in DISCRIMINATORS[resolution])
        layers: list[nn.Module] = [nn.Conv2d(channels, first, 3, padding=1)]
        before, side, smallest = first, resolution, 8 if resolution == 32 else SMALLEST
        for after in others:
            down = side > smallest
            layers += [DiscriminatorBlock(before, after, down), DiscriminatorBlock(after, after, down=False)]
            before, side = after, side // 2 if down else side
            layers += [SelfAttention(after)] if down and side == attention else []
        self.layers = nn.Sequential(*layers, nn.ReLU())
        self.head = nn.Linear(before, outputs)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.layers(images).sum(dim=(2, 3)))


Player = Literal["generator", "discriminator"]


def _started(network: nn.Module, networks: BigganDeepNetworks, player: Player) -> None:
    initialise_as(network, getattr(networks.initialisation, player), orthogonal)
    normalise(network)


def build_generator(
    networks: BigganDeepNetworks, latent_dimension: int, sample_shape: tuple[int, ...]
) -> Generator:
    """See `gantry.networks.build_generator`."""
    shape = image_shape(networks, sample_shape)
    generator = Generator(networks.width, latent_dimension, *shape, networks.attention)
    _started(generator, networks, "generator")
    return generator


def build_discriminator(
    networks: BigganDeepNetworks, sample_shape: tuple[int, ...], outputs: int
) -> Discriminator:
    """See `gantry.networks.build_discriminator`."""
    shape = image_shape(networks, sample_shape)
    discriminator = Discriminator(networks.width, *shape, outputs, networks.attention)
    _started(discriminator, networks, "discriminator")
    return discriminator
