"""Translators with a code between encoder and decoder, which alone is told the labels."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from gantry.errors import UserError
from gantry.networks.residual import Norm
from gantry.networks.translators import Shape, square
from gantry.plan.blocks.code_translators import CodeTranslators

# What an encoder says, the code last; what stands before it are features that shortcuts read.
Codes = list[Tensor]
# Both with weights.
NORMS: dict[str, Norm] = {"instance": partial(nn.InstanceNorm2d, affine=True), "batch": nn.BatchNorm2d}


class CodeTranslator(nn.Module, ABC):
    """x → code → x again, or as the labels would have it. Without labels an autoencoder."""

    @abstractmethod
    def encode(self, x: Tensor) -> Codes:
        """Return the features of samples (B, …), the code last."""

    @abstractmethod
    def decode(self, codes: Codes, labels: Tensor) -> Tensor:
        """Return samples (B, …) of codes and labels (B, A), numbers around 0."""

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x), x.new_zeros(len(x), 0))


class ConvolutionalCodes(CodeTranslator):
    """Images (B, C, R, R) → the same. Layers of the way up read more than what comes up: see `read_by`."""

    def __init__(
        self, down: Sequence[nn.Module], up: Sequence[nn.Module], injections: int, shortcuts: int
    ) -> None:
        super().__init__()
        self.down, self.up = nn.ModuleList(down), nn.ModuleList(up)
        self.injections, self.shortcuts = injections, shortcuts

    def encode(self, x: Tensor) -> Codes:
        codes = []
        for layer in self.down:
            x = layer(x)
            codes.append(x)
        return codes

    def decode(self, codes: Codes, labels: Tensor) -> Tensor:
        x = codes[-1]
        for level, layer in enumerate(self.up):
            joined = [x]
            if 0 < level <= self.shortcuts:
                joined.append(codes[-1 - level])
            if level <= self.injections:
                joined.append(labels[:, :, None, None].to(x.dtype).expand(-1, -1, *x.shape[2:]))
            x = layer(torch.cat(joined, dim=1))
        return x


def read_by(level: int, comes_up: int, widths: Sequence[int], labels: int, told: int, shortcuts: int) -> int:
    """Return the channels that layer `level` of the way up reads, `comes_up` of which the layer before it makes.

    `widths` are those of the way down. Labels are joined up to layer `told`, features of the way down to layers 1 to
    `shortcuts`.
    """
    joined = comes_up + (labels if level <= told else 0)
    return joined + (widths[-1 - level] if 0 < level <= shortcuts else 0)


def widths_of(networks: CodeTranslators, halvings: int) -> list[int]:
    """Return the channels behind each of so many halvings: doubled each time, up to 16 times the first."""
    return [networks.width * min(16, 1 << level) for level in range(halvings)]


def halving(before: int, after: int, norm: Norm | None, bias: bool) -> nn.Module:
    """Return a convolution k4s2, the norm, LeakyReLU 0.2."""
    normalised = [] if norm is None else [norm(after)]
    return nn.Sequential(nn.Conv2d(before, after, 4, 2, 1, bias=bias), *normalised, nn.LeakyReLU(0.2))


def doubling(
    before: int, after: int, norm: Norm | None, activation: nn.Module, bias: bool = False
) -> nn.Module:
    """Return a transposed convolution k4s2, the norm, the activation."""
    normalised = [] if norm is None else [norm(after)]
    return nn.Sequential(nn.ConvTranspose2d(before, after, 4, 2, 1, bias=bias), *normalised, activation)


def images_and_labels(networks: CodeTranslators, inputs: Shape, outputs: Shape) -> tuple[int, int, int]:
    """Return (channels of the images, resolution, label planes beside them in `inputs`); UserError for other sizes."""
    channels, resolution = square(networks.family, (outputs[0], *inputs[1:]), outputs)
    if (obstacle := networks.obstacle(resolution)) is not None:
        raise UserError(f"networks: {obstacle}")
    return channels, resolution, inputs[0] - outputs[0]
