"""The Fader networks: an autoencoder, and a classifier of its codes. Lample et al. 2017, section 4.1."""

from itertools import pairwise

from torch import nn

from gantry.networks.codes import (
    NORMS,
    ConvolutionalCodes,
    doubling,
    halving,
    images_and_labels,
    read_by,
    widths_of,
)
from gantry.networks.patchgan import build_discriminator
from gantry.networks.translators import Shape
from gantry.plan.blocks.code_translators import FaderNetworks


def build_generator(networks: FaderNetworks, inputs: Shape, outputs: Shape) -> nn.Module:
    """k4s2-32, 64, 128, 256, 512, 512, no norm in the first; the mirror image of it, which labels reach everywhere."""
    channels, resolution, labels = images_and_labels(networks, inputs, outputs)
    norm, widths = NORMS[networks.norm], widths_of(networks, networks.halvings_of(resolution))
    ways = list(pairwise([channels, *widths]))
    reads = [
        read_by(level, comes_up, widths, labels, len(widths), networks.shortcuts)
        for level, (_, comes_up) in enumerate(reversed(ways))
    ]
    return ConvolutionalCodes(
        [
            halving(before, after, norm if level else None, bias=True)
            for level, (before, after) in enumerate(ways)
        ],
        [
            *(
                doubling(read, after, norm, nn.ReLU())
                for read, (after, _) in zip(reads, ways[:0:-1], strict=False)
            ),
            doubling(reads[-1], channels, None, nn.Tanh()),
        ],
        len(widths),
        networks.shortcuts,
    )


def build_code_classifier(networks: FaderNetworks, sample_shape: Shape, labels: int) -> nn.Module:
    """Codes of such samples → logits (B, labels): what would follow in the encoder down to 1×1, and dense layers."""
    resolution, halvings = sample_shape[1], networks.halvings_of(sample_shape[1])
    widths = widths_of(networks, resolution.bit_length() - 1)
    layers: list[nn.Module] = []
    for before, after in pairwise(widths[halvings - 1 :]):
        layers += [halving(before, after, NORMS["batch"], bias=True)]
        layers += [nn.Dropout(networks.dropout)] if networks.dropout else []
    hidden = 16 * networks.width
    dense = [nn.Linear(widths[-1], hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, labels)]
    return nn.Sequential(*layers, nn.Flatten(), *dense)


__all__ = ["build_code_classifier", "build_discriminator", "build_generator"]
