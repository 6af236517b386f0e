"""Layers as data: sizes only, so that PyTorch can build them and a plan can count them without PyTorch.

`macs` are multiply-adds for one sample, `weights` the entries of matrices and kernels; both leave out
biases, normalisation and activations.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


class Layer(ABC):
    """Whatever has a cost, which mostly follows from its matrices."""

    @property
    @abstractmethod
    def matrices(self) -> list[tuple[int, int]]:
        """Its matrices, as (filters, weights of each)."""

    @property
    def macs(self) -> int:
        """Multiply-adds for one sample."""
        return self.weights

    @property
    def entry(self) -> int:
        """Multiply-adds of what reads the layer's input."""
        return self.macs

    @property
    def weights(self) -> int:
        """Entries of matrices and kernels."""
        return sum(filters * each for filters, each in self.matrices)


@dataclass(frozen=True)
class Dense(Layer):
    """(B, inputs) → (B, outputs)."""

    inputs: int
    outputs: int

    @property
    def matrices(self) -> list[tuple[int, int]]:
        return [(self.outputs, self.inputs)]


@dataclass(frozen=True)
class Conv(Layer):
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

    @property
    def matrices(self) -> list[tuple[int, int]]:
        return [(self.outputs, self.inputs * self.kernel**2)]

    @property
    def macs(self) -> int:
        # The kernel meets each pixel of the output; of the input, if transposed.
        return self.weights * (self.size if self.transposed else self.after) ** 2


@dataclass(frozen=True)
class Residual(Layer):
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

    @property
    def convolutions(self) -> list[Conv]:
        return [conv for conv in (self.first, self.second, self.shortcut) if conv is not None]

    @property
    def matrices(self) -> list[tuple[int, int]]:
        return [matrix for conv in self.convolutions for matrix in conv.matrices]

    @property
    def macs(self) -> int:
        return sum(conv.macs for conv in self.convolutions)

    @property
    def entry(self) -> int:
        return self.macs - self.second.macs


@dataclass(frozen=True)
class Minibatch(Layer):
    """(B, inputs) → (B, inputs + kernels): minibatch discrimination.

    Counted is the product with its tensor; the differences between the samples of a batch are no products.
    """

    inputs: int
    kernels: int
    dimensions: int

    @property
    def outputs(self) -> int:
        return self.inputs + self.kernels

    @property
    def matrices(self) -> list[tuple[int, int]]:
        return [(self.kernels * self.dimensions, self.inputs)]


@dataclass(frozen=True)
class Attention(Layer):
    """(B, channels, size, size) → the same, through self-attention over the size² places."""

    channels: int
    size: int

    @property
    def inner(self) -> int:
        """Channels of queries, keys and values: an eighth (Zhang et al. 2019, section 3)."""
        return max(1, self.channels // 8)

    @property
    def matrices(self) -> list[tuple[int, int]]:
        return [*[(self.inner, self.channels)] * 3, (self.channels, self.inner)]

    @property
    def macs(self) -> int:
        places = self.size**2
        return places * self.weights + 2 * places**2 * self.inner


def chain(
    inputs: int, size: int, steps: Iterable[tuple[int, int, int, int]], *, transposed: bool = False
) -> list[Conv]:
    """Return convolutions in a row, of (outputs, kernel, stride, padding) each: "conv 64 3 1 1"."""
    convs: list[Conv] = []
    for outputs, kernel, stride, padding in steps:
        convs.append(Conv(inputs, outputs, size, kernel, stride, padding, transposed))
        inputs, size = outputs, convs[-1].after
    return convs
