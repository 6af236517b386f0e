"""StyleGAN's pair: a mapping of z to w, and styles of w at every layer. Karras et al. 2019, section 2."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gantry.networks.equalised import (
    EPSILON,
    GAIN,
    SLOPE,
    ChannelBias,
    EqualisedConv,
    EqualisedLinear,
    PixelNorm,
)
from gantry.networks.pggan import SMALLEST, Discriminator, Growing, enlarged, growing_widths
from gantry.networks.shapes import image_shape
from gantry.plan.blocks.stepwise_networks import StyleganNetworks


class Blur(nn.Module):
    """Every channel convolved with [1 2 1]ᵀ[1 2 1]/16, zeros outside."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        row = torch.tensor([1.0, 2.0, 1.0])
        self.register_buffer("kernel", (row[:, None] * row / 16)[None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        return F.conv2d(x, self.kernel.to(x.dtype).expand(channels, 1, 3, 3), padding=1, groups=channels)


class Mapping(nn.Module):
    """z (B, Z) → w (B, W): z at RMS 1, then dense layers that learn `rate` times as fast. Without any, w is that z."""

    def __init__(self, latent: int, width: int, depth: int, rate: float) -> None:
        super().__init__()
        layers: list[nn.Module] = [PixelNorm()]
        for number in range(depth):
            layers.append(EqualisedLinear(latent if number == 0 else width, width, rate=rate))
            layers.append(nn.LeakyReLU(SLOPE))
        self.layers = nn.Sequential(*layers)
        self.width = width if depth else latent

    def forward(self, z: Tensor) -> Tensor:
        w: Tensor = self.layers(z)
        return w


class StyledLayer(nn.Module):
    """Features → (convolution) → noise → bias → LeakyReLU → instance norm → (s + 1)·x + b, (s, b) linear in w.

    Noise is one map a sample, times a number learned for each channel, 0 at first. `doubles`: the size is doubled
    before the convolution and blurred after it, which is the same as between the two but at the borders.
    """

    def __init__(self, inputs: int, outputs: int, style: int, *, convolves: bool, doubles: bool) -> None:
        super().__init__()
        up: list[nn.Module] = [nn.Upsample(scale_factor=2)] if doubles else []
        conv: list[nn.Module] = [EqualisedConv(inputs, outputs, 3, bias=False)] if convolves else []
        self.before = nn.Sequential(*up, *conv, *([Blur()] if doubles else []))
        self.noise = nn.Parameter(torch.zeros(outputs))
        self.bias = ChannelBias(outputs)
        self.style = EqualisedLinear(style, 2 * outputs, gain=1)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        x = self.before(x)
        if noise is not None:
            x = x + self.noise.view(-1, 1, 1) * noise
        x = F.leaky_relu(self.bias(x), SLOPE)
        x = F.instance_norm(x, eps=EPSILON)
        scale, shift = self.style(w)[:, :, None, None].chunk(2, dim=1)
        return x * (scale + 1) + shift


class StyleGenerator(Growing):
    """z (B, Z) → images (B, C, S, S), S being the size where it stands.

    What else it may be given: a second z from the layer `crossover` (B,) on, counted from 0; noise maps by layer,
    "noise_0" (B, 1, 4, 4) to the active ones'. It draws nothing itself. In training the mean of w is followed.
    """

    mean: Tensor

    def __init__(
        self,
        networks: StyleganNetworks,
        widths: Sequence[int],
        latent: int,
        channels: int,
        resolution: int,
    ) -> None:
        super().__init__(resolution)
        wide = networks.mapping_width or networks.width
        self.mapping = Mapping(latent, wide, networks.mapping_depth, networks.mapping_rate)
        style, first = self.mapping.width, widths[0]
        self.mean_decay, self.noisy, self.mixing = networks.mean_decay, networks.noise, networks.mixing
        self.register_buffer("mean", torch.zeros(style))
        self.constant = nn.Parameter(torch.ones(1, first, SMALLEST, SMALLEST)) if networks.constant else None
        self.start = None if networks.constant else EqualisedLinear(style, first * SMALLEST**2, gain=GAIN / 4)
        self.layers = nn.ModuleList(
            StyledLayer(first, first, style, convolves=bool(number), doubles=False) for number in range(2)
        )
        for inputs, outputs in pairwise(widths):
            self.layers.append(StyledLayer(inputs, outputs, style, convolves=True, doubles=True))
            self.layers.append(StyledLayer(outputs, outputs, style, convolves=True, doubles=False))
        self.to_image = nn.ModuleList(EqualisedConv(width, channels, 1, gain=1) for width in widths)

    @property
    def active(self) -> int:
        """Layers that run where the generator stands."""
        return 2 * (self.level + 1)

    def draws(
        self, count: int, device: torch.device, randomness: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        if not self.noisy:
            return {}
        return {
            f"noise_{layer}": torch.randn(
                (count, 1, SMALLEST << layer // 2, SMALLEST << layer // 2),
                device=device,
                generator=randomness,
            )
            for layer in range(self.active)
        }

    def draw_crossover(self, count: int, device: torch.device) -> Tensor:
        """Return one layer for a whole batch (B,): with probability `mixing` uniform in 1 … active − 1, else beyond."""
        layer = torch.randint(1, self.active, (1,), device=device)
        mixes = torch.rand(1, device=device) < self.mixing
        return torch.where(mixes, layer, self.active).expand(count).clone()

    def forward(
        self, z: Tensor, z_mixed: Tensor | None = None, crossover: Tensor | None = None, **noise: Tensor
    ) -> Tensor:
        w = self.mapping(z)
        if self.training:
            with torch.no_grad():
                self.mean.lerp_(w.mean(dim=0).float(), 1 - self.mean_decay)
        styles = [w] * self.active
        if z_mixed is not None and crossover is not None:
            other = self.mapping(z_mixed)
            styles = [torch.where(layer >= crossover[:, None], other, w) for layer in range(self.active)]
        return self.synthesise(styles, **noise)

    def truncated(self, w: Tensor, psi: float, cutoff: int | None) -> list[Tensor]:
        """Return w̄ + ψ·(w − w̄) for the layers before `cutoff` (None: all), and w for the others."""
        near = torch.lerp(self.mean.to(w.dtype).expand_as(w), w, psi)
        return [near if cutoff is None or layer < cutoff else w for layer in range(self.active)]

    def synthesise(self, styles: Sequence[Tensor], **noise: Tensor) -> Tensor:
        """Return the images of a style (B, W) for each active layer."""
        if self.constant is not None:
            x = self.constant.expand(styles[0].shape[0], -1, -1, -1)
        else:
            assert self.start is not None
            x = self.start(styles[0]).view(styles[0].shape[0], -1, SMALLEST, SMALLEST)
        features = []
        for layer in range(self.active):
            x = self.layers[layer](x, styles[layer], noise.get(f"noise_{layer}"))
            features.append(x)
        image: Tensor = self.to_image[self.level](features[-1])
        if not self.fading:
            return image
        return self.faded(enlarged(self.to_image[self.level - 1](features[-3])), image)


def build_generator(
    networks: StyleganNetworks, latent_dimension: int, sample_shape: tuple[int, ...]
) -> StyleGenerator:
    """See `gantry.networks.build_generator`."""
    channels, resolution = image_shape(networks, sample_shape)
    _, *widths = growing_widths(networks, resolution)
    return StyleGenerator(networks, widths, latent_dimension, channels, resolution)


def build_discriminator(
    networks: StyleganNetworks, sample_shape: tuple[int, ...], outputs: int
) -> Discriminator:
    """See `gantry.networks.build_discriminator`."""
    channels, resolution = image_shape(networks, sample_shape)
    hidden, *widths = growing_widths(networks, resolution)
    return Discriminator(widths, hidden, channels, resolution, outputs, networks.group, Blur)
