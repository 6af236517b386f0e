"""Layers with an equalised learning rate, and the two normalisations of PGGAN. Karras et al. 2018, section 4."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

GAIN = 2**0.5  # He's, for the rectifier behind a layer
SLOPE = 0.2  # of LeakyReLU
EPSILON = 1e-8


class EqualisedLinear(nn.Linear):
    """Linear with weights N(0, 1) that are multiplied by gain/√inputs in every pass; biases begin at 0.

    Adam moves every weight by about its rate whatever its size, so all effective weights move alike, relative to
    their size. `rate` divides the weights at the start and multiplies them, and the biases, in every pass: the layer
    learns as many times as fast (StyleGAN's mapping: 0.01).
    """

    def __init__(
        self, inputs: int, outputs: int, gain: float = GAIN, rate: float = 1.0, bias: bool = True
    ) -> None:
        super().__init__(inputs, outputs, bias=bias)
        nn.init.normal_(self.weight, std=1 / rate)
        if bias:
            nn.init.zeros_(self.bias)
        self.scale = gain * rate / inputs**0.5
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias * self.rate
        return F.linear(x, self.weight * self.scale, bias)


class EqualisedConv(nn.Conv2d):
    """A convolution of stride 1 that keeps the size, with weights N(0, 1) times gain/√(inputs·kernel²), biases 0."""

    def __init__(self, inputs: int, outputs: int, kernel: int, gain: float = GAIN, bias: bool = True) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2, bias=bias)
        nn.init.normal_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        self.scale = gain / (inputs * kernel**2) ** 0.5

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.scale, self.bias, padding=self.padding)


class ChannelBias(nn.Module):
    """x + b, one number a channel, 0 at first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias.view(-1, 1, 1)


class PixelNorm(nn.Module):
    """x/√(mean over channels of x² + 1e-8), at every pixel; of rows, over their numbers."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + EPSILON)


class DeviationMap(nn.Module):
    """(B, C, H, W) → (B, C + 1, H, W): beside the features stands how far the samples of a group differ.

    Of G = min(group, B) samples, those numbered i, i + B/G, i + 2B/G, …, it is the mean over features and pixels of
    √(population variance + 1e-8). B is a multiple of G. Karras et al. 2018, section 3.
    """

    mixes_samples = True

    def __init__(self, group: int) -> None:
        super().__init__()
        self.group = group

    def forward(self, x: Tensor) -> Tensor:
        size = min(self.group, len(x))
        grouped = x.float().reshape(size, len(x) // size, -1)
        deviation = (grouped.var(dim=0, unbiased=False) + EPSILON).sqrt().mean(dim=1)
        said = deviation.to(x.dtype).repeat(size).view(-1, 1, 1, 1).expand(-1, 1, *x.shape[2:])
        return torch.cat([x, said], dim=1)
