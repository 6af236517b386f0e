"""The patch discriminator of pix2pix and CycleGAN. Isola et al. 2017, 6.1.2."""

from torch import Tensor, nn

from gantry.errors import UserError
from gantry.networks.shapes import logit_rows
from gantry.networks.translators import NORMS, Shape, has_bias, square, started
from gantry.plan.blocks.translators import ImageTranslators


class PatchDiscriminator(nn.Module):
    """Images (B, C, R, R) → logits (B·v, outputs), one row a patch. LeakyReLU 0.2; a norm but in the first layer.

    k4s2-64, k4s2-128, …, n halvings in all, k4s1 and k4s1 to the logits; n = 0: k1-64, k1-128, k1.
    """

    def __init__(self, networks: ImageTranslators, channels: int, outputs: int) -> None:
        super().__init__()
        norm, bias = NORMS[networks.norm], has_bias(networks)
        width, halvings = networks.patch_width, networks.patches
        widths = (
            [width * min(8, 1 << level) for level in range(halvings + 1)] if halvings else [width, 2 * width]
        )
        kernel, padding = (4, 1) if halvings else (1, 0)
        strides = [2] * halvings + [1] if halvings else [1, 1]
        layers: list[nn.Module] = []
        before = channels
        for level, (after, stride) in enumerate(zip(widths, strides, strict=True)):
            layers.append(nn.Conv2d(before, after, kernel, stride, padding, bias=bias or not level))
            layers += [norm(after)] if level else []
            layers.append(nn.LeakyReLU(0.2))
            before = after
        self.layers = nn.Sequential(*layers)
        self.head = nn.Conv2d(before, outputs, kernel, 1, padding)
        self.outputs = outputs

    def forward(self, images: Tensor) -> Tensor:
        return logit_rows(self.head(self.layers(images)), self.outputs)


def build_discriminator(networks: ImageTranslators, sample_shape: Shape, outputs: int) -> nn.Module:
    """See `gantry.networks.build_discriminator`."""
    channels, resolution = square(networks.family, sample_shape, sample_shape)
    obstacle = networks.obstacle_of_patches(resolution)
    if obstacle is not None:
        raise UserError(f"networks: {obstacle}")
    return started(PatchDiscriminator(networks, channels, outputs))
