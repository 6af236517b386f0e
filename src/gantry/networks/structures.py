"""What an image's structure is, as an exact function of it, and the network that clothes a structure.

Wang and Gupta 2016 (SS-GAN) have surface normals of NYUv2, which no exact function gives; the functions here stand in.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gantry.networks import build_generator
from gantry.networks.initialise import initialise

POOLED = 4  # pixels a side that a blurred structure has one number for
SMALLEST = 1e-6  # squared slope that is added, so that flat places have a gradient


def luma(images: Tensor) -> Tensor:
    """Return Y (B, 1, R, R) of images (B, 3, R, R), on their range; of one channel, the images."""
    if images.shape[1] == 1:
        return images
    red, green, blue = images.chunk(3, dim=1)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def edges(images: Tensor) -> Tensor:
    """Return the slope of the luma by Sobel's operator, (B, 1, R, R): −1 where flat, 1 at a step from black to white.

    Borders are repeated. By slices, whose gradients are the same bits every time.
    """
    y = luma(images)
    y = torch.cat([y[..., :1, :], y, y[..., -1:, :]], dim=-2)
    y = torch.cat([y[..., :1], y, y[..., -1:]], dim=-1)
    smooth_down = y[..., :-2, :] + 2 * y[..., 1:-1, :] + y[..., 2:, :]
    smooth_right = y[..., :-2] + 2 * y[..., 1:-1] + y[..., 2:]
    across = (smooth_down[..., 2:] - smooth_down[..., :-2]) / 8
    down = (smooth_right[..., 2:, :] - smooth_right[..., :-2, :]) / 8
    return 2 * (across.square() + down.square() + SMALLEST).sqrt().clamp(max=1) - 1


def blur(images: Tensor) -> Tensor:
    """Return the luma, constant on squares of 4×4 pixels, (B, 1, R, R)."""
    return F.interpolate(F.avg_pool2d(luma(images), POOLED), scale_factor=POOLED)


def first_coordinate(points: Tensor) -> Tensor:
    """Return the first coordinate of points (B, D), (B, 1)."""
    return points[:, :1]


OF_IMAGES: dict[str, Callable[[Tensor], Tensor]] = {"edges": edges, "grey": luma, "blur": blur}


def structure_of(kind: str, sample: tuple[int, ...]) -> tuple[Callable[[Tensor], Tensor], tuple[int, ...]]:
    """Return the function that gives the structures of samples of this shape, and the shape of one.

    `kind` is of images; points have their first coordinate.
    """
    if len(sample) == 1:
        return first_coordinate, (1,)
    return OF_IMAGES[kind], (1, *sample[1:])


class ClothingGenerator(nn.Module):
    """Structure (B, 1, R, R) and z (B, Z) → images (B, C, R, R) in [−1, 1].

    The structure is halved twice by convolutions, joined with what a dense layer makes of z, and doubled twice.
    """

    def __init__(self, width: int, latent: int, channels: int, resolution: int) -> None:
        super().__init__()
        self.shape = (width, resolution // 4, resolution // 4)

        def block(layer: nn.Module, outputs: int) -> list[nn.Module]:
            return [layer, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]

        self.down = nn.Sequential(
            *block(nn.Conv2d(1, width, 3, 1, 1), width),
            *block(nn.Conv2d(width, 2 * width, 4, 2, 1), 2 * width),
            *block(nn.Conv2d(2 * width, 4 * width, 4, 2, 1), 4 * width),
        )
        self.start = nn.Linear(latent, width * (resolution // 4) ** 2)
        self.up = nn.Sequential(
            *block(nn.Conv2d(5 * width, 4 * width, 3, 1, 1), 4 * width),
            *block(nn.ConvTranspose2d(4 * width, 2 * width, 4, 2, 1), 2 * width),
            nn.ConvTranspose2d(2 * width, channels, 4, 2, 1),
            nn.Tanh(),
        )
        initialise(self)

    def forward(self, structure: Tensor, z: Tensor) -> Tensor:
        drawn = self.start(z).view(-1, *self.shape).relu()
        return self.up(torch.cat([self.down(structure), drawn], dim=1))


class PlacingGenerator(nn.Module):
    """Structure (B, S) and z (B, Z) → points, by a family's generator of both side by side."""

    def __init__(self, networks: Any, latent: int, structure: int, sample: tuple[int, ...]) -> None:
        super().__init__()
        self.generator = build_generator(networks, latent + structure, sample)

    def forward(self, structure: Tensor, z: Tensor) -> Tensor:
        samples: Tensor = self.generator(torch.cat([structure, z], dim=1))
        return samples


def build_style_generator(networks: Any, latent: int, sample: tuple[int, ...]) -> nn.Module:
    """Return forward(structure, z (B, latent)) → samples of this shape."""
    if len(sample) == 1:
        return PlacingGenerator(networks, latent, 1, sample)
    return ClothingGenerator(networks.width, latent, sample[0], sample[-1])
