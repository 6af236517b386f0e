"""What each family's networks are made of, layer by layer, from the sizes in a recipe's block.

The one place where layers are listed: `gantry.networks` builds from these lists.
"""

from itertools import pairwise

from gantry.plan.blocks.networks import (
    AutoencoderNetworks,
    Dcgan32Networks,
    DcganNetworks,
    GrowingNetworks,
    LapganNetworks,
    MlpAutoencoderNetworks,
    MlpNetworks,
    ResnetNetworks,
    SaganNetworks,
    SnganNetworks,
)
from gantry.plan.layers import Attention, Conv, Dense, Minibatch, Residual, chain

# A dense layer, then others; others, then a dense layer.
DenseFirst = tuple[Dense, *tuple[Conv, ...]]
DenseLast = tuple[*tuple[Conv, ...], Dense]
ResidualGenerator = tuple[Dense, *tuple[Residual | Attention, ...], Conv]
ResidualDiscriminator = tuple[*tuple[Residual | Attention, ...], Dense]


# ── mlp ───────────────────────────────────────────────────────────────────────────────────────────────


def mlp_generator(networks: MlpNetworks | MlpAutoencoderNetworks, latent: int, dimension: int) -> list[Dense]:
    widths = [latent, *[networks.width] * networks.depth, dimension]
    return [Dense(inputs, outputs) for inputs, outputs in pairwise(widths)]


def mlp_discriminator(
    networks: MlpNetworks, dimension: int, outputs: int
) -> tuple[*tuple[Dense | Minibatch, ...], Dense]:
    """Maxout layers, each as wide as all of its pieces, and the output layer."""
    units, pieces = networks.units, networks.maxout_pieces
    inputs = [dimension, *[units] * networks.maxout_depth]
    hidden: list[Dense | Minibatch] = [Dense(width, units * pieces) for width in inputs[:-1]]
    minibatch, last = dense_head(networks, inputs[-1], outputs)
    return (*[*hidden, *minibatch], last)


def dense_head(
    networks: MlpNetworks | DcganNetworks, features: int, numbers: int
) -> tuple[list[Minibatch], Dense]:
    """Minibatch discrimination, where there is any, and the output layer."""
    options = networks.minibatch_discrimination
    if options is None:
        return [], Dense(features, numbers)
    minibatch = Minibatch(features, options.kernels, options.dimensions)
    return [minibatch], Dense(minibatch.outputs, numbers)


# ── dcgan: BCGAN's image experiments ──────────────────────────────────────────────────────────────────

RESIDUAL_BLOCKS = 2


def dcgan_widths(networks: DcganNetworks, resolution: int) -> list[int]:
    """Channels at R/2, R/4, …, 4 pixels: `width` beside the image, width·R/8 at 4×4."""
    return [networks.width << level for level in range(resolution.bit_length() - 3)]


def dcgan_generator(
    networks: DcganNetworks, latent: int, channels: int, resolution: int
) -> list[Conv | Residual]:
    """To 4×4, then doublings that halve the channels. The residual variant has its two blocks at R/8.

    BCGAN's table 4 says "two residual blocks" and not where; their work is the same at every level.
    """
    first, *others = [*dcgan_widths(networks, resolution)[::-1], channels]
    convs = chain(latent, 1, [(first, 4, 1, 0), *((width, 4, 2, 1) for width in others)], transposed=True)
    layers: list[Conv | Residual] = []
    for conv in convs:
        layers.append(conv)
        if networks.generator == "residual" and conv.after == resolution // 8:
            layers += [Residual(conv.outputs, conv.outputs, conv.after)] * RESIDUAL_BLOCKS
    return layers


def dcgan_discriminator(
    networks: DcganNetworks, channels: int, resolution: int, outputs: int
) -> tuple[*tuple[Conv | Minibatch, ...], Conv | Dense]:
    """Halvings down to 4×4 and a head, or PatchGAN: three halvings, one layer of stride 1, and a head.

    PatchGAN (Isola et al. 2017, 6.1.2): C64-C128-C256-C512, kernels 4×4, a receptive field of 70×70.
    """
    numbers = outputs * (2 if networks.head == "adaptive" else 1)
    if networks.discriminator == "patchgan":
        strides = [2, 2, 2, 1]
        steps = [(networks.width << level, 4, stride, 1) for level, stride in enumerate(strides, 1)]
        *convs, last = chain(channels, resolution, [*steps, (numbers, 4, 1, 1)])
        return (*convs, last)
    widths = dcgan_widths(networks, resolution)
    halvings: list[Conv | Minibatch] = [*chain(channels, resolution, ((width, 4, 2, 1) for width in widths))]
    minibatch, dense = dense_head(networks, widths[-1] * 4 * 4, numbers)
    return (*[*halvings, *minibatch], dense)


# ── dcgan32: EDGAN's figures 2 and 3 ──────────────────────────────────────────────────────────────────


def dcgan32_generator(networks: Dcgan32Networks, latent: int, channels: int, resolution: int) -> DenseFirst:
    """R311 takes away the 3-1-1 deconvolutions, but for the last, which changes channels."""
    first = 8 * networks.width
    steps = []
    for width in (first, first // 2, first // 4):
        steps += [(width, 4, 2, 1)] if networks.r311 else [(width, 3, 1, 1), (width, 4, 2, 1)]
    return (
        Dense(latent, first * 4 * 4),
        *chain(first, 4, [*steps, (channels, 3, 1, 1)], transposed=True),
    )


def dcgan32_discriminator(
    networks: Dcgan32Networks, channels: int, resolution: int, outputs: int
) -> list[Conv]:
    steps = []
    for width in (networks.width, 2 * networks.width, 4 * networks.width):
        steps += [(width, 3, 1, 1), (width, 4, 2, 1)]
    return chain(channels, resolution, [*steps, (networks.head_channels * outputs, 4, 1, 0)])


# ── sngan: Miyato et al. 2018, table 3 ────────────────────────────────────────────────────────────────


def sngan_generator(networks: SnganNetworks, latent: int, channels: int, resolution: int) -> DenseFirst:
    width, size = networks.width, resolution // 8
    steps = [(4 * width, 4, 2, 1), (2 * width, 4, 2, 1), (width, 4, 2, 1), (channels, 3, 1, 1)]
    return (Dense(latent, 8 * width * size**2), *chain(8 * width, size, steps, transposed=True))


def sngan_discriminator(networks: SnganNetworks, channels: int, resolution: int, outputs: int) -> DenseLast:
    width, size = networks.width, resolution // 8
    steps = [(width, 3, 1, 1), (width, 4, 2, 1)]
    steps += [(2 * width, 3, 1, 1), (2 * width, 4, 2, 1)]
    steps += [(4 * width, 3, 1, 1), (4 * width, 4, 2, 1), (8 * width, 3, 1, 1)]
    return (*chain(channels, resolution, steps), Dense(8 * width * size**2, outputs))


# ── resnet: Miyato et al. 2018, table 4; sagan: Zhang et al. 2019 ─────────────────────────────────────


def resnet_generator(
    networks: ResnetNetworks, latent: int, channels: int, resolution: int
) -> ResidualGenerator:
    width = networks.generator_ratio * networks.width
    return (
        Dense(latent, width * 4 * 4),
        Residual(width, width, 4, "up"),
        Residual(width, width, 8, "up"),
        Residual(width, width, 16, "up"),
        Conv(width, channels, 32, 3, padding=1),
    )


def resnet_discriminator(
    networks: ResnetNetworks, channels: int, resolution: int, outputs: int
) -> ResidualDiscriminator:
    width = networks.width
    return (
        Residual(channels, width, 32, "down"),
        Residual(width, width, 16, "down"),
        Residual(width, width, 8),
        Residual(width, width, 8),
        Dense(width, outputs),
    )


def sagan_generator(
    networks: SaganNetworks, latent: int, channels: int, resolution: int
) -> ResidualGenerator:
    residual = ResnetNetworks(family="resnet", width=networks.width)
    dense, *blocks, last = resnet_generator(residual, latent, channels, resolution)
    blocks.insert(2, Attention(2 * networks.width, 16))
    return (dense, *blocks, last)


def sagan_discriminator(
    networks: SaganNetworks, channels: int, resolution: int, outputs: int
) -> ResidualDiscriminator:
    residual = ResnetNetworks(family="resnet", width=networks.width)
    *blocks, dense = resnet_discriminator(residual, channels, resolution, outputs)
    blocks.insert(1, Attention(networks.width, 16))
    return (*blocks, dense)


# ── autoencoder: BEGAN's pair, Berthelot et al. 2017, figure 1; mlp_autoencoder for points ────────────


def autoencoder_generator(
    networks: AutoencoderNetworks, latent: int, channels: int, resolution: int
) -> DenseFirst:
    """To 8×8, then two convolutions at every size, of the same width throughout."""
    width = networks.width
    sizes = [8 << level for level in range(_levels(resolution))]
    convs = [Conv(width, width, size, 3, padding=1) for size in sizes for _ in range(2)]
    convs.append(Conv(width, channels, resolution, 3, padding=1))
    return (Dense(latent, width * 8 * 8), *convs)


def autoencoder_halves(
    networks: AutoencoderNetworks, channels: int, resolution: int
) -> tuple[DenseLast, DenseFirst]:
    """The encoder, down to 8×8 and a code; and a decoder that is built like the generator."""
    width, levels = networks.width, _levels(resolution)
    steps = [(width, 3, 1, 1)]
    for level in range(1, levels + 1):
        steps += [(level * width, 3, 1, 1)] * 2
        steps += [((level + 1) * width, 3, 2, 1)] if level < levels else []
    encoder = chain(channels, resolution, steps)
    to_code = Dense(levels * width * 8 * 8, networks.code)
    return (*encoder, to_code), autoencoder_generator(networks, networks.code, channels, resolution)


def _levels(resolution: int) -> int:
    """How many sizes there are from 8×8 to the image's."""
    return resolution.bit_length() - 3


def mlp_autoencoder_halves(
    networks: MlpAutoencoderNetworks, dimension: int
) -> tuple[list[Dense], list[Dense]]:
    """The encoder of points and its mirror image."""
    widths = [dimension, *[networks.width] * networks.depth, networks.code]
    encoder = [Dense(inputs, outputs) for inputs, outputs in pairwise(widths)]
    return encoder, [Dense(inputs, outputs) for inputs, outputs in pairwise(widths[::-1])]


# ── pggan: Karras et al. 2018, table 2 ────────────────────────────────────────────────────────────────

SMALLEST = 4  # pixels a side, where growing networks begin


def growing_widths(networks: GrowingNetworks, resolution: int) -> list[int]:
    """Numbers of D's dense layer, then channels at 4×4, 8×8, …, R×R."""
    levels = resolution.bit_length() - SMALLEST.bit_length() + 1
    return [max(1, min(networks.base >> s, networks.width)) for s in range(levels + 1)]


def lapgan_sizes(networks: LapganNetworks, resolution: int) -> list[int]:
    """Pixels a side of the levels, from coarse to fine."""
    return [networks.smallest << level for level in range((resolution // networks.smallest).bit_length())]
