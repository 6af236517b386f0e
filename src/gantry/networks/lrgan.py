"""LR-GAN: a background, and foregrounds that are cut out, placed and pasted on it one by one. Yang et al. 2017."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from gantry.networks import dcgan
from gantry.networks.drawn import build_discriminator, check_shares
from gantry.networks.initialise import initialise
from gantry.networks.shapes import image_shape
from gantry.plan.blocks.image_networks import DcganNetworks
from gantry.plan.blocks.stepwise_networks import LrganNetworks

SMALLEST = 4  # pixels a side of the features that a decoder begins with


def placing(scale: Tensor, shift: Tensor, resolution: int) -> Tensor:
    """Return W (B, R, R) of one axis: rows of bilinear weights, so that (W f)_i is f at s·(i − c) + c + t·R/2.

    c is the middle, (R − 1)/2, and f is 0 beyond its borders. `scale` s above 1 makes what is placed smaller, `shift` t
    moves it by −t/s of half the side; (B,) each. W is exactly the identity for s = 1, t = 0.
    """
    places = torch.arange(resolution, device=scale.device, dtype=scale.dtype)
    middle = (resolution - 1) / 2
    sources = scale[:, None] * (places - middle) + middle + shift[:, None] * resolution / 2
    return (1 - (sources[:, :, None] - places).abs()).relu()


def placed(images: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Return images (B, C, R, R) scaled and shifted, (B, 2) each, first along rows; bilinear, 0 beyond the borders.

    By products of matrices, whose gradients are the same bits every time, where a grid sampler's are not on a GPU.
    """
    down, across = (placing(scale[:, axis], shift[:, axis], images.shape[-1]).unsqueeze(1) for axis in (0, 1))
    return down @ images @ across.transpose(-1, -2)


def pasted(canvas: Tensor, foreground: Tensor, mask: Tensor) -> Tensor:
    """Return m·f + (1 − m)·x. Their eq. 1."""
    return mask * foreground + (1 - mask) * canvas


class Decoder(nn.Module):
    """h (B, H) → a foreground (B, C, R, R) in [−1, 1] and its mask (B, 1, R, R) in [0, 1]; the last layers differ."""

    def __init__(self, width: int, latent: int, channels: int, resolution: int) -> None:
        super().__init__()
        doublings = (resolution // SMALLEST).bit_length() - 1
        widths = [width << level for level in range(doublings)][::-1]
        layers: list[nn.Module] = [
            nn.Linear(latent, widths[0] * SMALLEST**2),
            nn.Unflatten(1, (widths[0], SMALLEST, SMALLEST)),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
        ]
        for inputs, outputs in pairwise(widths):
            layers += [
                nn.ConvTranspose2d(inputs, outputs, 4, 2, 1),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            ]
        self.trunk = nn.Sequential(*layers)
        self.foreground = nn.Sequential(nn.ConvTranspose2d(width, channels, 4, 2, 1), nn.Tanh())
        self.mask = nn.Sequential(nn.ConvTranspose2d(width, 1, 4, 2, 1), nn.Sigmoid())

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        features = self.trunk(h)
        return self.foreground(features), self.mask(features)


class Generator(nn.Module):
    """z (B, T·Z) → images (B, C, R, R): x_1 = G_b(h_1), x_t = m̂_t·f̂_t + (1 − m̂_t)·x_{t−1}; h_t of an LSTM over z.

    ^ scales and shifts, by numbers that a dense layer makes of h_t; theirs may turn, too. All steps but the first have
    the same decoder.
    """

    def __init__(self, networks: LrganNetworks, latent: int, channels: int, resolution: int) -> None:
        super().__init__()
        share = latent // networks.steps
        self.networks = networks
        self.memory = nn.LSTMCell(share, share)
        like = DcganNetworks(
            family="dcgan", width=max(1, networks.width // 2), head="linear", spectral_norm=False
        )
        self.background = dcgan.build_generator(like, share, (channels, resolution, resolution))
        self.decoder = Decoder(networks.width, share, channels, resolution) if networks.steps > 1 else None
        self.place = nn.Linear(share, 4) if networks.steps > 1 else None

    def parts(self, z: Tensor) -> dict[str, Tensor]:
        """Return "background", then "foreground 2", "mask 2" as they are placed, "image 2", and so on to T."""
        parts: dict[str, Tensor] = {}
        state: tuple[Tensor, Tensor] | None = None
        for number, draw in enumerate(z.chunk(self.networks.steps, dim=1), 1):
            state = self.memory(draw, state)
            if self.decoder is None or self.place is None or number == 1:
                canvas = parts["background"] = self.background(state[0])
                continue
            foreground, mask = self.decoder(state[0])
            scale, shift = self.placement(self.place(state[0]))
            foreground, mask = placed(foreground, scale, shift), placed(mask, scale, shift)
            canvas = pasted(canvas, foreground, mask)
            parts |= {f"foreground {number}": foreground, f"mask {number}": mask, f"image {number}": canvas}
        return parts

    def placement(self, said: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scale (B, 2) between the recipe's bounds, and the shift (B, 2) within them, of numbers (B, 4)."""
        scale, shift = said.float().chunk(2, dim=1)
        smallest, largest = self.networks.scales
        return smallest + (largest - smallest) * scale.sigmoid(), self.networks.shift * shift.tanh()

    def forward(self, z: Tensor) -> Tensor:
        return list(self.parts(z).values())[-1]


def build_generator(
    networks: LrganNetworks, latent_dimension: int, sample_shape: tuple[int, ...]
) -> Generator:
    """See `gantry.networks.build_generator`. Raises UserError for latents that do not fall into steps."""
    check_shares(networks, latent_dimension)
    generator = Generator(networks, latent_dimension, *image_shape(networks, sample_shape))
    initialise(generator)
    return generator


__all__ = ["build_discriminator", "build_generator"]
