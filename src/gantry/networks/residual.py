"""Residual blocks as in Miyato et al. 2018 (table 4 and figure 8), after Gulrajani et al. 2017."""

from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn

Norm = Callable[[int], nn.Module]


class ResidualBlock(nn.Module):
    """x (B, inputs, S, S) → convolution(ReLU(convolution(ReLU(x)))) + shortcut(x), (B, outputs, …).

    `resample` doubles the sides before the first convolution, or halves them after the second. `norm` makes the
    normalisation of so many channels that stands before each ReLU, if any does. A block that `reads_image` has no
    first ReLU: there is nothing to rectify in pixels.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        norm: Norm | None,
        resample: Literal["up", "down"] | None = None,
        bias: bool = True,
        reads_image: bool = False,
    ) -> None:
        super().__init__()
        up = [nn.Upsample(scale_factor=2)] if resample == "up" else []
        down = [nn.AvgPool2d(2)] if resample == "down" else []
        self.residual = nn.Sequential(
            *([] if reads_image else _rectified(inputs, norm)),
            *up,
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias),
            *_rectified(outputs, norm),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=bias),
            *down,
        )
        is_identity = resample is None and inputs == outputs
        straight = [] if is_identity else [nn.Conv2d(inputs, outputs, 1, bias=bias)]
        # A 1×1 convolution commutes with both kinds of resampling: it runs where there are fewer pixels.
        self.shortcut = nn.Sequential(*down, *straight, *up)

    def forward(self, x: Tensor) -> Tensor:
        return self.residual(x) + self.shortcut(x)


def _rectified(channels: int, norm: Norm | None) -> list[nn.Module]:
    # Not in place: the shortcut reads the same tensor.
    return [nn.ReLU()] if norm is None else [norm(channels), nn.ReLU()]
