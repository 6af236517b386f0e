"""What translators and their discriminators are made of, layer by layer; see `gantry.plan.architectures`."""

from itertools import pairwise

from gantry.plan.blocks.translators import (
    ImageTranslators,
    LabelResnetNetworks,
    MlpTranslatorNetworks,
    ResnetBlocksNetworks,
    SrResnetNetworks,
    UnetNetworks,
)
from gantry.plan.layers import Conv, Dense, chain


def mlp_translator(networks: MlpTranslatorNetworks, inputs: int, outputs: int) -> list[Dense]:
    widths = [inputs, *[networks.width] * networks.depth, outputs]
    return [Dense(before, after) for before, after in pairwise(widths)]


# ── unet: Isola et al. 2017, 6.1.1 ────────────────────────────────────────────────────────────────────


def unet(networks: UnetNetworks, inputs: int, outputs: int, resolution: int) -> tuple[list[Conv], list[Conv]]:
    """The way down, 64-128-256-512-512-…, and the way up, whose layers read what comes up and the skip."""
    widths = [networks.width * min(8, 1 << level) for level in range(networks.halvings_of(resolution))]
    down = chain(inputs, resolution, [(width, 4, 2, 1) for width in widths])
    up = []
    for level in range(len(widths) - 1, -1, -1):
        innermost = level == len(widths) - 1
        joined = widths[level] if innermost or not networks.skips else 2 * widths[level]
        made = widths[level - 1] if level else outputs
        up.append(Conv(joined, made, down[level].after, 4, 2, 1, transposed=True))
    return down, up


# ── resnet_blocks: Zhu et al. 2017, appendix 7.2 ──────────────────────────────────────────────────────


def resnet_blocks(
    networks: ResnetBlocksNetworks, inputs: int, outputs: int, resolution: int
) -> tuple[list[Conv], list[Conv], list[Conv]]:
    """k7-64, k3s2-128, k3s2-256; blocks of two k3-256 each; two doublings and k7 to the image."""
    width = networks.width
    down = chain(inputs, resolution, [(width, 7, 1, 3), (2 * width, 3, 2, 1), (4 * width, 3, 2, 1)])
    inner = down[-1].after
    blocks = [Conv(4 * width, 4 * width, inner, 3, padding=1) for _ in range(2 * networks.blocks)]
    # A transposed k3s2 with one row and column more (`output_padding`), which has the multiply-adds of its input.
    up = [
        Conv(4 * width, 2 * width, inner, 3, 2, 1, transposed=True),
        Conv(2 * width, width, 2 * inner, 3, 2, 1, transposed=True),
        Conv(width, outputs, resolution, 7, padding=3),
    ]
    return down, blocks, up


# ── patchgan: Isola et al. 2017, 6.1.2 ────────────────────────────────────────────────────────────────


def patchgan(networks: ImageTranslators, inputs: int, resolution: int, outputs: int) -> list[Conv]:
    """k4s2-64, …, n halvings in all, k4s1 and k4s1 to the verdicts; n = 0: k1-64, k1-128, k1."""
    width, layers = networks.patch_width, networks.patches
    if not layers:
        return chain(inputs, resolution, [(width, 1, 1, 0), (2 * width, 1, 1, 0), (outputs, 1, 1, 0)])
    steps = [(width * min(8, 1 << level), 4, 2, 1) for level in range(layers)]
    steps += [(width * min(8, 1 << layers), 4, 1, 1), (outputs, 4, 1, 1)]
    return chain(inputs, resolution, steps)


def receptive_field(layers: list[Conv]) -> int:
    """Return how many pixels a side decide about one verdict: r ← (r − 1)·stride + kernel, from the last layer on."""
    side = 1
    for layer in reversed(layers):
        side = (side - 1) * layer.stride + layer.kernel
    return side


# ── sr_resnet and SRGAN's discriminator: Ledig et al. 2017, figure 4 ──────────────────────────────────


def sr_resnet(
    networks: SrResnetNetworks, inputs: int, outputs: int, resolution: int
) -> tuple[Conv, list[Conv], Conv, list[Conv], Conv]:
    """k9-64; blocks of two k3-64; k3-64 before the long skip; k3-256 before each shuffle; k9 to the image."""
    width, side = networks.width, resolution // networks.factor
    blocks = [Conv(width, width, side, 3, padding=1) for _ in range(2 * networks.blocks)]
    doublings = [
        Conv(width, 4 * width, side << level, 3, padding=1)
        for level in range(networks.factor.bit_length() - 1)
    ]
    return (
        Conv(inputs, width, side, 9, padding=4),
        blocks,
        Conv(width, width, side, 3, padding=1),
        doublings,
        Conv(width, outputs, resolution, 9, padding=4),
    )


def sr_discriminator(
    networks: SrResnetNetworks, inputs: int, resolution: int, outputs: int
) -> tuple[list[Conv], list[Dense]]:
    """k3 of 64, 64, 128, 128, 256, 256, 512, 512, every second of stride 2; dense 1024 and the verdict."""
    width = networks.width
    steps = [(width << level // 2, 3, 1 + level % 2, 1) for level in range(8)]
    convs = chain(inputs, resolution, steps)
    dense = [Dense(8 * width * convs[-1].after ** 2, 16 * width), Dense(16 * width, outputs)]
    return convs, dense


# ── label_resnet: Choi et al. 2018, tables 4 and 5 ────────────────────────────────────────────────────


def label_resnet(
    networks: LabelResnetNetworks, inputs: int, outputs: int, resolution: int
) -> tuple[list[Conv], list[Conv], list[Conv]]:
    """k7-64, k4s2-128, k4s2-256; blocks of two k3-256 each; two doublings k4 and k7 to the image."""
    width = networks.width
    down = chain(inputs, resolution, [(width, 7, 1, 3), (2 * width, 4, 2, 1), (4 * width, 4, 2, 1)])
    inner = down[-1].after
    blocks = [Conv(4 * width, 4 * width, inner, 3, padding=1) for _ in range(2 * networks.blocks)]
    up = chain(4 * width, inner, [(2 * width, 4, 2, 1), (width, 4, 2, 1)], transposed=True)
    return down, blocks, [*up, Conv(width, outputs, resolution, 7, padding=3)]


def label_discriminator(
    networks: LabelResnetNetworks, inputs: int, resolution: int, outputs: int
) -> list[Conv]:
    """k4s2 of 64, 128, …, doubling with every halving, and k3 to the verdicts."""
    widths = [networks.patch_width << level for level in range(networks.halvings_of(resolution))]
    return chain(inputs, resolution, [*((width, 4, 2, 1) for width in widths), (outputs, 3, 1, 1)])
