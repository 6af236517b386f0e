"""Autoencoders of two domains, a (number 0) and b (1), whose codes mean the same: UNIT, XGAN, MUNIT, DRIT."""

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

from torch import Tensor, nn

from gantry.errors import UserError
from gantry.networks import mlp
from gantry.networks.encoders import MomentsEncoder
from gantry.networks.styled import beside
from gantry.networks.translators import NORMS, Shape, TranslatorBlock, square, started
from gantry.plan.blocks.autoencoders import ImageAutoencoders
from gantry.plan.blocks.point_networks import MlpNetworks

DOMAINS = range(2)


class Autoencoders(nn.Module):
    """Of each domain an encoder x → code (B, *code_shape), a decoder (code, style) → x, perhaps an encoder of styles.

    Layers that domains share are the same objects. A style is (B, S); without styles S is 0.
    """

    def __init__(
        self,
        encoders: Sequence[nn.Module],
        decoders: Sequence[nn.Module],
        code_shape: Shape,
        style_encoders: Sequence[MomentsEncoder] = (),
        style: int = 0,
    ) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(encoders)
        self.decoders = nn.ModuleList(decoders)
        self.style_encoders = nn.ModuleList(style_encoders)
        self.code_shape = code_shape
        self.style = style

    def encode(self, x: Tensor, domain: int) -> Tensor:
        """Return the code of x, a sample of the domain."""
        code: Tensor = self.encoders[domain](x)
        return code

    def style_of(self, x: Tensor, domain: int) -> tuple[Tensor, Tensor]:
        """Return the mean and the logarithm of the deviation of the style of x."""
        if not self.style:
            none = x.new_zeros(x.shape[0], 0)  # not len(x), which an export records as a number
            return none, none
        found: tuple[Tensor, Tensor] = self.style_encoders[domain](x)
        return found

    def decode(self, code: Tensor, style: Tensor, domain: int) -> Tensor:
        """Return the sample of the domain that has this code and style."""
        made: Tensor = self.decoders[domain](code, style)
        return made


class Decoder(nn.Module):
    """(code, style) → sample: stages in a row, before each of which the style comes to stand beside what it reads.

    Without a style that is nothing. The stages of `shared` come first, and read the code alone.
    """

    def __init__(self, shared: nn.Module, stages: Sequence[nn.Module]) -> None:
        super().__init__()
        self.shared = shared
        self.stages = nn.ModuleList(stages)

    def forward(self, code: Tensor, style: Tensor) -> Tensor:
        x: Tensor = self.shared(code)
        for stage in self.stages:
            x = stage(beside(x, style))
        return x


def reflected(inputs: int, outputs: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    """A convolution at whose edges the image is mirrored; at stride 2 the side is halved."""
    around = (kernel - 1) // 2
    return [nn.ReflectionPad2d(around), nn.Conv2d(inputs, outputs, kernel, stride)]


same_size = partial(reflected, kernel=3)


def content_encoders(networks: ImageAutoencoders, channels: int, kernel: int) -> list[nn.Module]:
    """k7-64, two halvings to 256, residual blocks of each domain, then those of both. ReLU, norm."""
    norm, width = NORMS[networks.norm], networks.width
    shared = nn.Sequential(*(TranslatorBlock(4 * width, norm, same_size) for _ in range(networks.shared)))
    encoders: list[nn.Module] = []
    for _ in DOMAINS:
        layers = [*reflected(channels, width, 7), norm(width), nn.ReLU()]
        for before, after in ((width, 2 * width), (2 * width, 4 * width)):
            halving = reflected(before, after, 3, 2) if kernel == 3 else [nn.Conv2d(before, after, 4, 2, 1)]
            layers += [*halving, norm(after), nn.ReLU()]
        layers += [TranslatorBlock(4 * width, norm, same_size) for _ in range(networks.blocks)]
        encoders.append(nn.Sequential(*layers, shared))
    return encoders


def joined_decoders(networks: ImageAutoencoders, channels: int) -> list[nn.Module]:
    """Blocks of both domains, then of each, two doublings (k3s2) and a 1×1 to the image, tanh.

    Liu et al. 2017, appendix A. With a style (Lee et al. 2018, section 3, as their code has it) each stage of the own
    ones reads it as well, and is as wide as what it reads, a doubling half as wide.
    """
    norm, style = NORMS[networks.norm], networks.style
    shared = nn.Sequential(
        *(TranslatorBlock(4 * networks.width, norm, same_size) for _ in range(networks.shared))
    )
    decoders: list[nn.Module] = []
    for _ in DOMAINS:
        width = 4 * networks.width + style
        stages = [nn.Sequential(*(TranslatorBlock(width, norm, same_size) for _ in range(networks.blocks)))]
        for _ in range(2):
            read, width = width + style, (width + style) // 2
            doubling = nn.ConvTranspose2d(read, width, 3, 2, 1, output_padding=1)
            stages.append(nn.Sequential(doubling, norm(width), nn.ReLU()))
        stages.append(nn.Sequential(nn.Conv2d(width + style, channels, 1), nn.Tanh()))
        decoders.append(Decoder(shared, stages))
    return decoders


def build_code_discriminator(networks: Any, code_shape: Shape) -> nn.Module:
    """Codes (B, *code_shape) → logits (B, 1): which domain a code is of.

    Vectors: maxout, as family mlp. Maps: halvings down to 4×4 and one logit, as wide as the maps; LeakyReLU 0.2,
    instance norm but in the first layer. (DRIT's, for maps of 54×54, has k7.)
    """
    if len(code_shape) == 1:
        return mlp.build_discriminator(MlpNetworks(family="mlp", width=networks.width), code_shape, 1)
    channels, side, _ = code_shape
    layers: list[nn.Module] = []
    while side > 4:
        layers += [nn.Conv2d(channels, channels, 4, 2, 1), *([nn.InstanceNorm2d(channels)] if layers else [])]
        layers.append(nn.LeakyReLU(0.2))
        side //= 2
    return started(nn.Sequential(*layers, nn.Conv2d(channels, 1, side), nn.Flatten()))


def alike(family: str, inputs: Shape, outputs: Shape) -> tuple[int, int]:
    """Return (channels, resolution); UserError unless both domains are of one shape."""
    channels, resolution = square(family, inputs, outputs)
    if inputs != outputs:
        raise UserError(
            f"networks.family {family}: inputs have {inputs[0]} channels and outputs {outputs[0]}, and both domains "
            "have codes of one kind; take resnet_blocks"
        )
    return channels, resolution


def begun(autoencoders: Autoencoders) -> Autoencoders:
    """Return the networks with kernels from N(0, 0.02²)."""
    return cast(Autoencoders, started(autoencoders))
