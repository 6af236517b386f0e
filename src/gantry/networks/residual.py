"""Residual blocks as in Miyato et al. 2018 (table 4 and figure 8), after Gulrajani et al. 2017."""

from collections.abc import Callable

from torch import Tensor, nn

from gantry.plan.layers import Conv, Residual

Norm = Callable[[int], nn.Module]


def convolution(conv: Conv, bias: bool = True) -> nn.Module:
    """Return the layer that `conv` describes."""
    kind = nn.ConvTranspose2d if conv.transposed else nn.Conv2d
    return kind(conv.inputs, conv.outputs, conv.kernel, conv.stride, conv.padding, bias=bias)


class ResidualBlock(nn.Module):
    """x → convolution(ReLU(convolution(ReLU(x)))) + shortcut(x), both resampled as `layer` says.

    `norm` makes the normalisation of so many channels that stands before each ReLU, if any does. A block that
    `reads_image` has no first ReLU: there is nothing to rectify in pixels.
    """

    def __init__(
        self, layer: Residual, norm: Norm | None, bias: bool = True, reads_image: bool = False
    ) -> None:
        super().__init__()
        before = [] if reads_image else _rectified(layer.inputs, norm)
        up = [nn.Upsample(scale_factor=2)] if layer.resample == "up" else []
        down = [nn.AvgPool2d(2)] if layer.resample == "down" else []
        self.residual = nn.Sequential(
            *before,
            *up,
            convolution(layer.first, bias),
            *_rectified(layer.outputs, norm),
            convolution(layer.second, bias),
            *down,
        )
        straight = [] if layer.shortcut is None else [convolution(layer.shortcut, bias)]
        # A 1×1 convolution commutes with both kinds of resampling: it runs where there are fewer pixels.
        self.shortcut = nn.Sequential(*down, *straight, *up)

    def forward(self, x: Tensor) -> Tensor:
        return self.residual(x) + self.shortcut(x)


def _rectified(channels: int, norm: Norm | None) -> list[nn.Module]:
    # Not in place: the shortcut reads the same tensor.
    return [nn.ReLU()] if norm is None else [norm(channels), nn.ReLU()]
