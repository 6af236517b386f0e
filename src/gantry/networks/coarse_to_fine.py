"""Pix2pixHD's generator: a coarse one for half the size, and one that refines what it found. Wang et al. 2018, 3.2."""

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from gantry.errors import UserError
from gantry.networks.patchgan import build_discriminator
from gantry.networks.translators import NORMS, Shape, TranslatorBlock, has_bias, square, started
from gantry.plan.blocks.code_translators import CoarseToFineNetworks


class CoarseToFine(nn.Module):
    """Images (B, C, R, R) → (B, C′, R, R) in [−1, 1]; `coarse`: (B, C, R/2, R/2) → (B, C′, R/2, R/2).

    Coarse, at R/2: k7-64, `halvings` k3s2 to 1024, residual blocks, as many doublings, and k7 of its own. Fine, at R:
    k7-32, k3s2-64, to which what the coarse part has before its k7 is added; residual blocks, a doubling, k7. Norm,
    ReLU, mirrored edges.
    """

    def __init__(self, networks: CoarseToFineNetworks, inputs: int, outputs: int) -> None:
        super().__init__()
        norm, bias, width = NORMS[networks.norm], has_bias(networks), networks.width

        def conv(before: int, after: int, kernel: int = 3, bias: bool = bias) -> list[nn.Module]:
            return [nn.ReflectionPad2d(kernel // 2), nn.Conv2d(before, after, kernel, bias=bias)]

        def first(after: int) -> list[nn.Module]:
            return [*conv(inputs, after, 7), norm(after), nn.ReLU()]

        def halving(before: int) -> list[nn.Module]:
            return [nn.Conv2d(before, 2 * before, 3, 2, 1, bias=bias), norm(2 * before), nn.ReLU()]

        def doubling(before: int) -> list[nn.Module]:
            after = before // 2
            layer = nn.ConvTranspose2d(before, after, 3, 2, 1, output_padding=1, bias=bias)
            return [layer, norm(after), nn.ReLU()]

        def blocks(width: int, count: int) -> list[nn.Module]:
            return [TranslatorBlock(width, norm, conv) for _ in range(count)]

        def last(before: int) -> nn.Module:
            return nn.Sequential(*conv(before, outputs, 7, bias=True), nn.Tanh())

        levels = range(networks.halvings)
        self.features = nn.Sequential(
            *first(width),
            *(layer for level in levels for layer in halving(width << level)),
            *blocks(width << networks.halvings, networks.blocks),
            *(layer for level in reversed(levels) for layer in doubling(2 * width << level)),
        )
        self.coarse_image = last(width)
        self.down = nn.Sequential(*first(width // 2), *halving(width // 2))
        self.refined = nn.Sequential(*blocks(width, networks.fine_blocks), *doubling(width), last(width // 2))

    def coarse(self, x: Tensor) -> Tensor:
        """Return what the coarse part makes of images of half the size, alone."""
        made: Tensor = self.coarse_image(self.features(x))
        return made

    def forward(self, x: Tensor) -> Tensor:
        smaller = avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
        return self.refined(self.down(x) + self.features(smaller))


def build_generator(networks: CoarseToFineNetworks, inputs: Shape, outputs: Shape) -> nn.Module:
    """See `CoarseToFine`."""
    channels, resolution = square(networks.family, inputs, outputs)
    if (obstacle := networks.obstacle_of_translator(resolution)) is not None:
        raise UserError(f"networks: {obstacle}")
    return started(CoarseToFine(networks, channels, outputs[0]))


__all__ = ["build_discriminator", "build_generator"]
