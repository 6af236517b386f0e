"""CycleGAN's pair: a translator of residual blocks, and the patch discriminator. Zhu et al. 2017, appendix 7.2."""

from torch import nn

from gantry.networks.patchgan import build_discriminator
from gantry.networks.translators import NORMS, Shape, TranslatorBlock, has_bias, square, started
from gantry.plan.blocks.translators import ResnetBlocksNetworks


def build_generator(networks: ResnetBlocksNetworks, inputs: Shape, outputs: Shape) -> nn.Module:
    """Images → images: k7-64, k3s2-128, k3s2-256; residual blocks of two k3; two doublings and k7; norm, ReLU, tanh."""
    channels, _ = square(networks.family, inputs, outputs)
    width, norm, bias = networks.width, NORMS[networks.norm], has_bias(networks)

    def conv(before: int, after: int, kernel: int = 3, bias: bool = bias) -> list[nn.Module]:
        """A convolution, at whose edges the image is mirrored where the recipe says so."""
        side = kernel // 2
        if networks.padding == "zeros":
            return [nn.Conv2d(before, after, kernel, padding=side, bias=bias)]
        return [nn.ReflectionPad2d(side), nn.Conv2d(before, after, kernel, bias=bias)]

    def halving(before: int, after: int) -> list[nn.Module]:
        return [nn.Conv2d(before, after, 3, 2, 1, bias=bias), norm(after), nn.ReLU()]

    def doubling(before: int, after: int) -> list[nn.Module]:
        layer = nn.ConvTranspose2d(before, after, 3, 2, 1, output_padding=1, bias=bias)
        return [layer, norm(after), nn.ReLU()]

    translator = nn.Sequential(
        *conv(channels, width, 7),
        norm(width),
        nn.ReLU(),
        *halving(width, 2 * width),
        *halving(2 * width, 4 * width),
        *(TranslatorBlock(4 * width, norm, conv) for _ in range(networks.blocks)),
        *doubling(4 * width, 2 * width),
        *doubling(2 * width, width),
        *conv(width, outputs[0], 7, bias=True),
        nn.Tanh(),
    )
    return started(translator)


__all__ = ["build_discriminator", "build_generator"]
