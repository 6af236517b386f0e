"""Layers as data: sizes only, so that a network is a list which can be read at a glance, and PyTorch builds it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Dense:
    """(B, inputs) → (B, outputs)."""

    inputs: int
    outputs: int


@dataclass(frozen=True)
class Conv:
    """(B, inputs, size, size) → (B, outputs, after, after): a convolution, or a transposed one."""

    inputs: int
    outputs: int
    size: int
    kernel: int
    stride: int = 1
    padding: int = 0
    transposed: bool = False

    @property
    def after(self) -> int:
        if self.transposed:
            return (self.size - 1) * self.stride - 2 * self.padding + self.kernel
        return (self.size + 2 * self.padding - self.kernel) // self.stride + 1


@dataclass(frozen=True)
class Residual:
    """(B, inputs, size, size) → (B, outputs, …): two 3×3 convolutions beside a shortcut.

    `resample` doubles or halves the sides. Upsampling comes before the first convolution, average pooling
    after the second; the shortcut's 1×1 convolution, with which both commute, runs at the smaller size.
    """

    inputs: int
    outputs: int
    size: int
    resample: Literal["up", "down"] | None = None

    @property
    def first(self) -> Conv:
        size = 2 * self.size if self.resample == "up" else self.size
        return Conv(self.inputs, self.outputs, size, 3, padding=1)

    @property
    def second(self) -> Conv:
        return Conv(self.outputs, self.outputs, self.first.size, 3, padding=1)

    @property
    def shortcut(self) -> Conv | None:
        """None for the identity."""
        if self.resample is None and self.inputs == self.outputs:
            return None
        return Conv(self.inputs, self.outputs, self.size // 2 if self.resample == "down" else self.size, 1)


@dataclass(frozen=True)
class Minibatch:
    """(B, inputs) → (B, inputs + kernels): minibatch discrimination."""

    inputs: int
    kernels: int
    dimensions: int

    @property
    def outputs(self) -> int:
        return self.inputs + self.kernels


@dataclass(frozen=True)
class Attention:
    """(B, channels, size, size) → the same, through self-attention over the size² places."""

    channels: int
    size: int

    @property
    def inner(self) -> int:
        """Channels of queries, keys and values: an eighth (Zhang et al. 2019, section 3)."""
        return max(1, self.channels // 8)


Layer = Dense | Conv | Residual | Minibatch | Attention


def chain(
    inputs: int, size: int, steps: Iterable[tuple[int, int, int, int]], *, transposed: bool = False
) -> list[Conv]:
    """Return convolutions in a row, of (outputs, kernel, stride, padding) each: "conv 64 3 1 1"."""
    convs: list[Conv] = []
    for outputs, kernel, stride, padding in steps:
        convs.append(Conv(inputs, outputs, size, kernel, stride, padding, transposed))
        inputs, size = outputs, convs[-1].after
    return convs
