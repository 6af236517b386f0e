"""SRGAN's pair: SRResNet, and a discriminator of whole images. Ledig et al. 2017, figure 4."""

from torch import Tensor, nn

from gantry.errors import UserError
from gantry.networks.translators import NORMS, Shape, TranslatorBlock, square
from gantry.plan.blocks.translators import SrResnetNetworks


def conv(before: int, after: int, kernel: int = 3) -> list[nn.Module]:
    """A convolution that keeps the size."""
    return [nn.Conv2d(before, after, kernel, padding=kernel // 2)]


class SrResnet(nn.Module):
    """Images (B, C, R/f, R/f) → (B, C′, R, R) in [−1, 1]. PReLU, BatchNorm, pixel shuffle. Ledig et al. 2017, figure 4.

    k9-64; blocks of two k3-64; k3-64 before the long skip; k3-256 before each shuffle; k9 to the image. As their text
    has it, the output's tanh is ours: the figure ends in a convolution.
    """

    def __init__(self, networks: SrResnetNetworks, inputs: int, outputs: int) -> None:
        super().__init__()
        width, norm = networks.width, NORMS[networks.norm]
        doublings = networks.factor.bit_length() - 1
        self.first = nn.Sequential(*conv(inputs, width, 9), nn.PReLU())
        self.blocks = nn.Sequential(
            *(TranslatorBlock(width, norm, conv, nn.PReLU) for _ in range(networks.blocks)),
            *conv(width, width),
            norm(width),
        )
        self.up = nn.Sequential(
            *(
                nn.Sequential(*conv(width, 4 * width), nn.PixelShuffle(2), nn.PReLU())
                for _ in range(doublings)
            )
        )
        self.last = nn.Sequential(*conv(width, outputs, 9), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        features = self.first(x)
        return self.last(self.up(features + self.blocks(features)))


class SrDiscriminator(nn.Module):
    """Images (B, C, R, R) → logits (B, outputs), of the whole image. LeakyReLU 0.2, a norm but in the first layer.

    k3 of 64, 64, 128, 128, 256, 256, 512, 512, every second of stride 2; dense 1024 and the logits.
    """

    def __init__(self, networks: SrResnetNetworks, channels: int, resolution: int, outputs: int) -> None:
        super().__init__()
        width, norm = networks.width, NORMS[networks.norm]
        layers: list[nn.Module] = []
        before, side = channels, resolution
        for number in range(8):
            after, stride = width << number // 2, 1 + number % 2
            layers.append(nn.Conv2d(before, after, 3, stride, 1))
            layers += [norm(after)] if number else []
            layers.append(nn.LeakyReLU(0.2))
            before, side = after, -(-side // stride)
        layers += [nn.Flatten(), nn.Linear(before * side**2, 16 * width), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(16 * width, outputs)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.layers(images))


def build_generator(networks: SrResnetNetworks, inputs: Shape, outputs: Shape) -> nn.Module:
    """See `SrResnet`."""
    factor = networks.factor
    if len(inputs) != 3 or len(outputs) != 3 or outputs[1] != factor * inputs[1]:
        raise UserError(
            f"networks.factor {factor}: inputs have shape {inputs} and outputs {outputs}; take a data set with inputs: "
            f"{{degradation: low, factor: {factor}}}, or another factor"
        )
    return SrResnet(networks, inputs[0], outputs[0])


def build_discriminator(networks: SrResnetNetworks, sample_shape: Shape, outputs: int) -> nn.Module:
    """See `SrDiscriminator`."""
    channels, resolution = square(networks.family, sample_shape, sample_shape)
    return SrDiscriminator(networks, channels, resolution, outputs)
