"""AttGAN's pair. He et al. 2019, table 1, and the authors' code."""

from itertools import pairwise

from torch import Tensor, nn

from gantry.errors import UserError
from gantry.networks.codes import (
    NORMS,
    ConvolutionalCodes,
    doubling,
    halving,
    images_and_labels,
    read_by,
    widths_of,
)
from gantry.networks.translators import Shape, square
from gantry.plan.blocks.code_translators import AttganNetworks


def build_generator(networks: AttganNetworks, inputs: Shape, outputs: Shape) -> nn.Module:
    """k4s2-64, 128, 256, 512, 1024; transposed 1024, 512, 256, 128 and the image. No bias before a norm."""
    channels, resolution, labels = images_and_labels(networks, inputs, outputs)
    norm, widths = NORMS[networks.norm], widths_of(networks, networks.halvings_of(resolution))
    made = [*widths[:0:-1], channels]
    reads = [
        read_by(level, comes_up, widths, labels, networks.injections, networks.shortcuts)
        for level, comes_up in enumerate([widths[-1], *made[:-1]])
    ]
    return ConvolutionalCodes(
        [halving(before, after, norm, bias=False) for before, after in pairwise([channels, *widths])],
        [
            *(doubling(read, after, norm, nn.ReLU()) for read, after in zip(reads, made[:-1], strict=False)),
            doubling(reads[-1], channels, None, nn.Tanh(), bias=True),
        ],
        networks.injections,
        networks.shortcuts,
    )


class AttganDiscriminator(nn.Module):
    """Images (B, C, R, R) → logits (B, outputs), of the whole image. LeakyReLU 0.2, instance norm with weights."""

    def __init__(self, networks: AttganNetworks, channels: int, resolution: int, outputs: int) -> None:
        super().__init__()
        halvings = networks.halvings_of(resolution)
        widths = widths_of(networks, halvings)
        self.layers = nn.Sequential(
            *(
                halving(before, after, NORMS["instance"], bias=False)
                for before, after in pairwise([channels, *widths])
            )
        )
        self.numbers, self.hidden = widths[-1] * (resolution >> halvings) ** 2, 16 * networks.width
        self.head = self.class_head(outputs)

    def class_head(self, labels: int) -> nn.Module:
        """Return two dense layers that read so many logits off the last map."""
        first, last = nn.Linear(self.numbers, self.hidden), nn.Linear(self.hidden, labels)
        return nn.Sequential(nn.Flatten(), first, nn.LeakyReLU(0.2), last)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.layers(images))


def build_discriminator(networks: AttganNetworks, sample_shape: Shape, outputs: int) -> nn.Module:
    """See `gantry.networks.build_discriminator`."""
    channels, resolution = square(networks.family, sample_shape, sample_shape)
    if (obstacle := networks.obstacle(resolution)) is not None:
        raise UserError(f"networks: {obstacle}")
    return AttganDiscriminator(networks, channels, resolution, outputs)
