"""StarGAN's pair. Choi et al. 2018, tables 4 and 5."""

from functools import partial
from itertools import pairwise

from torch import Tensor, nn

from gantry.errors import UserError
from gantry.networks.residual import Norm
from gantry.networks.shapes import logit_rows
from gantry.networks.translators import Shape, TranslatorBlock, square
from gantry.plan.blocks.translators import LabelResnetNetworks

NORMS: dict[str, Norm] = {"instance": partial(nn.InstanceNorm2d, affine=True), "batch": nn.BatchNorm2d}


def build_generator(networks: LabelResnetNetworks, inputs: Shape, outputs: Shape) -> nn.Module:
    """Images with label planes → images: k7-64, k4s2-128, k4s2-256; blocks of two k3; two doublings k4, k7 and tanh.

    Instance norm with weights, ReLU, zero padding. Choi et al. 2018, table 4.
    """
    channels, _ = square(networks.family, inputs, outputs)
    width, norm = networks.width, NORMS[networks.norm]

    def conv(before: int, after: int, kernel: int = 3) -> list[nn.Module]:
        return [nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=False)]

    def resampled(kind: type[nn.Conv2d | nn.ConvTranspose2d], before: int, after: int) -> list[nn.Module]:
        return [kind(before, after, 4, 2, 1, bias=False), norm(after), nn.ReLU()]

    return nn.Sequential(
        *conv(channels, width, 7),
        norm(width),
        nn.ReLU(),
        *resampled(nn.Conv2d, width, 2 * width),
        *resampled(nn.Conv2d, 2 * width, 4 * width),
        *(TranslatorBlock(4 * width, norm, conv) for _ in range(networks.blocks)),
        *resampled(nn.ConvTranspose2d, 4 * width, 2 * width),
        *resampled(nn.ConvTranspose2d, 2 * width, width),
        *conv(width, outputs[0], 7),
        nn.Tanh(),
    )


class LabelDiscriminator(nn.Module):
    """Images (B, C, R, R) → logits (B·v, outputs): k4s2 of 64, 128, …, k3; LeakyReLU 0.01, no norm.

    Choi et al. 2018, table 5.
    """

    def __init__(self, width: int, halvings: int, channels: int, outputs: int) -> None:
        super().__init__()
        widths = [channels, *(width << level for level in range(halvings))]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 4, 2, 1), nn.LeakyReLU(0.01)]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Conv2d(widths[-1], outputs, 3, 1, 1, bias=False)
        self.outputs = outputs

    def forward(self, images: Tensor) -> Tensor:
        return logit_rows(self.head(self.layers(images)), self.outputs)


def build_discriminator(networks: LabelResnetNetworks, sample_shape: Shape, outputs: int) -> nn.Module:
    """See `gantry.networks.build_discriminator`."""
    channels, resolution = square(networks.family, sample_shape, sample_shape)
    if (obstacle := networks.obstacle(resolution)) is not None:
        raise UserError(f"networks: {obstacle}")
    return LabelDiscriminator(networks.patch_width, networks.halvings_of(resolution), channels, outputs)
