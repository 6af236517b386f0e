"""ComboGAN's encoders and decoders: CycleGAN's translator in halves; patches. Anoosheh et al. 2018, section 3.2."""

from torch import Tensor, nn

from gantry.networks.codes import Codes, CodeTranslator
from gantry.networks.patchgan import build_discriminator
from gantry.networks.translators import NORMS, Shape, TranslatorBlock, has_bias, square, started
from gantry.plan.blocks.code_translators import ResnetHalvesNetworks


class ResnetHalves(CodeTranslator):
    """Images (B, C, R, R) → codes (B, 4·width, R/4, R/4) → images. Norm, PReLU, mirrored edges, tanh.

    k7-64, k3s2-128, k3s2-256 and the first half of the residual blocks; the others, two transposed k4s2, and k7.
    """

    def __init__(self, networks: ResnetHalvesNetworks, channels: int) -> None:
        super().__init__()
        width, norm, bias = networks.width, NORMS[networks.norm], has_bias(networks)

        def conv(before: int, after: int, kernel: int = 3, bias: bool = bias) -> list[nn.Module]:
            return [nn.ReflectionPad2d(kernel // 2), nn.Conv2d(before, after, kernel, bias=bias)]

        def blocks(count: int) -> list[nn.Module]:
            return [TranslatorBlock(4 * width, norm, conv, nn.PReLU) for _ in range(count)]

        def behind(layer: nn.Module, width: int) -> list[nn.Module]:
            return [layer, norm(width), nn.PReLU()]

        def halving(before: int, after: int) -> list[nn.Module]:
            return behind(nn.Conv2d(before, after, 3, 2, 1, bias=bias), after)

        def doubling(before: int, after: int) -> list[nn.Module]:
            return behind(nn.ConvTranspose2d(before, after, 4, 2, 1, bias=bias), after)

        self.encoder = nn.Sequential(
            *conv(channels, width, 7),
            norm(width),
            nn.PReLU(),
            *halving(width, 2 * width),
            *halving(2 * width, 4 * width),
            *blocks(networks.blocks // 2),
        )
        self.decoder = nn.Sequential(
            *blocks(networks.blocks - networks.blocks // 2),
            *doubling(4 * width, 2 * width),
            *doubling(2 * width, width),
            *conv(width, channels, 7, bias=True),
            nn.Tanh(),
        )

    def encode(self, x: Tensor) -> Codes:
        return [self.encoder(x)]

    def decode(self, codes: Codes, labels: Tensor) -> Tensor:
        made: Tensor = self.decoder(codes[-1])
        return made


def build_generator(networks: ResnetHalvesNetworks, inputs: Shape, outputs: Shape) -> nn.Module:
    """See `ResnetHalves`; it hears no labels."""
    channels, _ = square(networks.family, inputs, outputs)
    return started(ResnetHalves(networks, channels))


__all__ = ["build_discriminator", "build_generator"]
