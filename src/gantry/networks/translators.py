"""Translators, and the discriminators that they play against: pix2pix's, CycleGAN's, SRGAN's, and MLPs for points.

A builder of a translator takes the shapes of its inputs and outputs; images come out in [−1, 1].
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from gantry.errors import UserError
from gantry.networks import mlp
from gantry.networks.initialise import initialise
from gantry.networks.linear import Linear
from gantry.networks.output import DiscriminatorOutput
from gantry.networks.residual import Norm, convolution
from gantry.networks.shapes import verdict_rows
from gantry.plan.blocks.networks import MlpNetworks
from gantry.plan.blocks.translators import (
    ImageTranslators,
    LabelResnetNetworks,
    MlpTranslatorNetworks,
    ResnetBlocksNetworks,
    SrResnetNetworks,
    UnetNetworks,
)
from gantry.plan.layers import Conv, Dense
from gantry.plan.translator_architectures import (
    label_discriminator,
    label_resnet,
    mlp_translator,
    patchgan,
    resnet_blocks,
    sr_discriminator,
    sr_resnet,
    unet,
)

Shape = tuple[int, ...]
# Instance norm has no weights, as in CycleGAN's code; BatchNorm has.
NORMS: dict[str, Norm] = {"instance": nn.InstanceNorm2d, "batch": nn.BatchNorm2d}


def started(network: nn.Module) -> nn.Module:
    """Return the network with kernels from N(0, 0.02²) and biases of 0, as pix2pix and CycleGAN begin."""
    initialise(network)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer.bias is not None:
            nn.init.zeros_(layer.bias)
    return network


def has_bias(networks: ImageTranslators) -> bool:
    """Whether convolutions before a norm have biases: BatchNorm brings its own."""
    return networks.norm == "instance"


# ── points ──────────────────────────────────────────────────────────────────────────────────────────────


def build_mlp_translator(networks: MlpTranslatorNetworks, inputs: Shape, outputs: Shape) -> nn.Module:
    """Points (B, D) → depth × [Linear, ReLU] → Linear → points (B, D′)."""
    if len(inputs) != 1 or len(outputs) != 1:
        raise UserError(
            f"networks.family mlp_translator is for points, and the data set's inputs and outputs have shapes {inputs} "
            f"and {outputs}: take family unet or resnet_blocks"
        )
    *hidden, last = mlp_translator(networks, inputs[0], outputs[0])
    layers: list[nn.Module] = []
    for dense in hidden:
        layers += [Linear(dense.inputs, dense.outputs), nn.ReLU()]
    return nn.Sequential(*layers, Linear(last.inputs, last.outputs))


def build_point_discriminator(
    networks: MlpTranslatorNetworks, sample_shape: Shape, outputs: int
) -> nn.Module:
    """See `gantry.networks.mlp.build_discriminator`."""
    return mlp.build_discriminator(MlpNetworks(family="mlp", width=networks.width), sample_shape, outputs)


# ── the U-Net ───────────────────────────────────────────────────────────────────────────────────────────


class Unet(nn.Module):
    """Images (B, C, R, R) → (B, C′, R, R) in [−1, 1]: halvings, as many doublings, skips. Isola et al. 2017, 6.1.1.

    Down: LeakyReLU 0.2, a norm but in the first layer and the innermost. Up: ReLU, a norm but in the last; dropout ½
    behind the first three, in training alone.
    """

    def __init__(self, networks: UnetNetworks, down: Sequence[Conv], up: Sequence[Conv]) -> None:
        super().__init__()
        norm, bias = NORMS[networks.norm], has_bias(networks)
        self.skips = networks.skips
        self.down = nn.ModuleList()
        for level, layer in enumerate(down):
            before: list[nn.Module] = [nn.LeakyReLU(0.2)] if level else []
            after = [norm(layer.outputs)] if 0 < level < len(down) - 1 else []
            self.down.append(nn.Sequential(*before, convolution(layer, bias), *after))
        self.up = nn.ModuleList()
        for number, layer in enumerate(up):
            if number == len(up) - 1:
                self.up.append(nn.Sequential(nn.ReLU(), convolution(layer), nn.Tanh()))
                continue
            dropout = [nn.Dropout(0.5)] if networks.dropout and number < 3 else []
            self.up.append(nn.Sequential(nn.ReLU(), convolution(layer, bias), norm(layer.outputs), *dropout))

    def forward(self, x: Tensor) -> Tensor:
        passed = []
        for block in self.down:
            x = block(x)
            passed.append(x)
        for block, skip in zip(self.up, [None, *passed[-2::-1]], strict=True):
            x = block(x if skip is None or not self.skips else torch.cat([x, skip], dim=1))
        return x


def build_unet(networks: UnetNetworks, inputs: Shape, outputs: Shape) -> nn.Module:
    """See `Unet`."""
    (channels, resolution), made = square(networks.family, inputs, outputs), outputs[0]
    return started(Unet(networks, *unet(networks, channels, made, resolution)))


# ── residual blocks ─────────────────────────────────────────────────────────────────────────────────────


class TranslatorBlock(nn.Module):
    """x + norm(conv(ReLU(norm(conv(x))))), at the same size."""

    def __init__(
        self, first: Conv, second: Conv, norm: Norm, conv: Callable[[Conv], list[nn.Module]]
    ) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            *conv(first), norm(first.outputs), nn.ReLU(), *conv(second), norm(second.outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.residual(x)


def build_resnet_blocks(networks: ResnetBlocksNetworks, inputs: Shape, outputs: Shape) -> nn.Module:
    """Images → images: two halvings, residual blocks, two doublings, tanh; norm, ReLU. Zhu et al. 2017, 7.2."""
    channels, resolution = square(networks.family, inputs, outputs)
    down, blocks, up = resnet_blocks(networks, channels, outputs[0], resolution)
    norm, bias = NORMS[networks.norm], has_bias(networks)

    def padded(layer: Conv, bias: bool = bias) -> list[nn.Module]:
        """The convolution, at whose edges the image is mirrored where the recipe says so."""
        if networks.padding == "zeros" or layer.stride > 1:
            return [convolution(layer, bias)]
        kernel = nn.Conv2d(layer.inputs, layer.outputs, layer.kernel, bias=bias)
        return [nn.ReflectionPad2d(layer.padding), kernel]

    modules: list[nn.Module] = []
    for layer in down:
        modules += [*padded(layer), norm(layer.outputs), nn.ReLU()]
    for first, second in zip(blocks[::2], blocks[1::2], strict=True):
        modules.append(TranslatorBlock(first, second, norm, padded))
    *doublings, last = up
    for layer in doublings:
        doubling = nn.ConvTranspose2d(
            layer.inputs, layer.outputs, layer.kernel, 2, layer.padding, output_padding=1, bias=bias
        )
        modules += [doubling, norm(layer.outputs), nn.ReLU()]
    return started(nn.Sequential(*modules, *padded(last, True), nn.Tanh()))


# ── the patch discriminator ─────────────────────────────────────────────────────────────────────────────


class PatchDiscriminator(nn.Module):
    """Images (B, C, R, R) → logits (B·v, outputs), one row a patch. LeakyReLU 0.2; a norm but in the first layer."""

    def __init__(self, layers: Sequence[Conv], networks: ImageTranslators) -> None:
        super().__init__()
        *hidden, last = layers
        modules: list[nn.Module] = []
        for number, layer in enumerate(hidden):
            norm = [NORMS[networks.norm](layer.outputs)] if number else []
            modules += [convolution(layer, has_bias(networks) or not number), *norm, nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*modules)
        self.head = convolution(last)
        self.outputs = last.outputs

    def forward(self, images: Tensor) -> Tensor:
        return verdict_rows(self.head(self.layers(images)), self.outputs)


def build_patch_discriminator(networks: ImageTranslators, sample_shape: Shape, outputs: int) -> nn.Module:
    """See `PatchDiscriminator`."""
    channels, resolution = square(networks.family, sample_shape, sample_shape)
    obstacle = networks.obstacle(resolution)
    if obstacle is not None:
        raise UserError(f"networks: {obstacle}")
    return started(PatchDiscriminator(patchgan(networks, channels, resolution, outputs), networks))


# ── super-resolution ────────────────────────────────────────────────────────────────────────────────────


class SrResnet(nn.Module):
    """Images (B, C, R/f, R/f) → (B, C′, R, R) in [−1, 1]. PReLU, BatchNorm, pixel shuffle. Ledig et al. 2017, figure 4.

    As their text has it, the output's tanh is ours: the figure ends in a convolution.
    """

    def __init__(
        self,
        networks: SrResnetNetworks,
        first: Conv,
        blocks: Sequence[Conv],
        joined: Conv,
        doublings: Sequence[Conv],
        last: Conv,
    ) -> None:
        super().__init__()
        norm = NORMS[networks.norm]
        self.first = nn.Sequential(convolution(first), nn.PReLU())
        self.blocks = nn.Sequential(
            *(SrBlock(a, b, norm) for a, b in zip(blocks[::2], blocks[1::2], strict=True)),
            convolution(joined),
            norm(joined.outputs),
        )
        self.up = nn.Sequential(
            *(nn.Sequential(convolution(layer), nn.PixelShuffle(2), nn.PReLU()) for layer in doublings)
        )
        self.last = nn.Sequential(convolution(last), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        features = self.first(x)
        return self.last(self.up(features + self.blocks(features)))


class SrBlock(nn.Module):
    """x + norm(conv(PReLU(norm(conv(x)))))."""

    def __init__(self, first: Conv, second: Conv, norm: Norm) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            convolution(first), norm(first.outputs), nn.PReLU(), convolution(second), norm(second.outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.residual(x)


def build_sr_resnet(networks: SrResnetNetworks, inputs: Shape, outputs: Shape) -> nn.Module:
    """See `SrResnet`."""
    factor = networks.factor
    if len(inputs) != 3 or len(outputs) != 3 or outputs[1] != factor * inputs[1]:
        raise UserError(
            f"networks.factor {factor}: inputs have shape {inputs} and outputs {outputs}; take a data set with inputs: "
            f"{{degradation: low, factor: {factor}}}, or another factor"
        )
    return SrResnet(networks, *sr_resnet(networks, inputs[0], outputs[0], outputs[1]))


class SrDiscriminator(nn.Module):
    """Images (B, C, R, R) → logits (B, outputs), of the whole image. LeakyReLU 0.2, a norm but in the first layer."""

    def __init__(self, networks: SrResnetNetworks, convs: Sequence[Conv], dense: Sequence[Dense]) -> None:
        super().__init__()
        norm = NORMS[networks.norm]
        layers: list[nn.Module] = []
        for number, layer in enumerate(convs):
            layers += [convolution(layer), *([norm(layer.outputs)] if number else []), nn.LeakyReLU(0.2)]
        hidden, last = dense
        layers += [nn.Flatten(), nn.Linear(hidden.inputs, hidden.outputs), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(last.inputs, last.outputs)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.layers(images))


def build_sr_discriminator(networks: SrResnetNetworks, sample_shape: Shape, outputs: int) -> nn.Module:
    """See `SrDiscriminator`."""
    channels, resolution = square(networks.family, sample_shape, sample_shape)
    return SrDiscriminator(networks, *sr_discriminator(networks, channels, resolution, outputs))


# ── labels ──────────────────────────────────────────────────────────────────────────────────────────────


def build_label_resnet(networks: LabelResnetNetworks, inputs: Shape, outputs: Shape) -> nn.Module:
    """Images with label planes → images, tanh; instance norm with weights, zero padding. Choi et al. 2018, table 4."""
    channels, resolution = square(networks.family, inputs, outputs)
    down, blocks, up = label_resnet(networks, channels, outputs[0], resolution)
    norms: dict[str, Norm] = {"instance": partial(nn.InstanceNorm2d, affine=True), "batch": nn.BatchNorm2d}
    norm = norms[networks.norm]

    def plain(layer: Conv) -> list[nn.Module]:
        return [convolution(layer, bias=False)]

    modules: list[nn.Module] = []
    for layer in down:
        modules += [*plain(layer), norm(layer.outputs), nn.ReLU()]
    for first, second in zip(blocks[::2], blocks[1::2], strict=True):
        modules.append(TranslatorBlock(first, second, norm, plain))
    *doublings, last = up
    for layer in doublings:
        modules += [*plain(layer), norm(layer.outputs), nn.ReLU()]
    return nn.Sequential(*modules, *plain(last), nn.Tanh())


class LabelDiscriminator(nn.Module):
    """Images (B, C, R, R) → logits (B·v, outputs). LeakyReLU 0.01, no norm. Choi et al. 2018, table 5."""

    def __init__(self, layers: Sequence[Conv]) -> None:
        super().__init__()
        *hidden, last = layers
        self.layers = nn.Sequential(
            *(module for layer in hidden for module in (convolution(layer), nn.LeakyReLU(0.01)))
        )
        self.head = convolution(last, bias=False)
        self.outputs = last.outputs

    def forward(self, images: Tensor) -> Tensor:
        return verdict_rows(self.head(self.layers(images)), self.outputs)


def build_label_discriminator(networks: LabelResnetNetworks, sample_shape: Shape, outputs: int) -> nn.Module:
    """See `LabelDiscriminator`."""
    channels, resolution = square(networks.family, sample_shape, sample_shape)
    if (obstacle := networks.obstacle(resolution)) is not None:
        raise UserError(f"networks: {obstacle}")
    return LabelDiscriminator(label_discriminator(networks, channels, resolution, outputs))


class LabelHeads(nn.Module):
    """A discriminator with a second head: samples → logits, and class logits (B, labels) of its whole last map.

    A second argument, what samples are asked for, is not looked at.
    """

    def __init__(self, discriminator: nn.Module, sample_shape: Shape, labels: int) -> None:
        super().__init__()
        of_points = isinstance(discriminator, nn.Sequential)
        self.layers: nn.Module = discriminator[:-1] if of_points else discriminator.get_submodule("layers")  # type: ignore[index]
        self.head: nn.Module = discriminator[-1] if of_points else discriminator.get_submodule("head")  # type: ignore[index]
        with torch.no_grad():
            features = self.layers.eval()(torch.zeros(2, *sample_shape))
        self.layers.train()
        channels, *map_size = features.shape[1:]
        self.class_head = (
            nn.Conv2d(channels, labels, tuple(map_size), bias=False)
            if map_size
            else nn.Linear(channels, labels)
        )

    def forward(self, samples: Tensor, asked: Tensor | None = None) -> DiscriminatorOutput:
        features = self.layers(samples)
        said = self.head(features)
        logits = verdict_rows(said, said.shape[1]) if said.dim() == 4 else said
        return DiscriminatorOutput(logits, self.class_head(features).flatten(1), features=features.flatten(1))


def square(family: str, inputs: Shape, outputs: Shape) -> tuple[int, int]:
    """Return (channels of the inputs, resolution); UserError unless both are square images of one size."""
    if len(inputs) != 3 or inputs[1:] != outputs[1:] or inputs[1] != inputs[2]:
        raise UserError(
            f"networks.family {family} translates square images of one size, and the data set's inputs have shape "
            f"{tuple(inputs)}, its outputs {tuple(outputs)}: take sr_resnet for larger "
            "outputs, mlp_translator for points"
        )
    return inputs[0], inputs[1]


def at_depths(discriminator: nn.Module, samples: Tensor) -> list[Tensor]:
    """Return what a discriminator's layers put out behind each activation, first to last."""
    found = []
    layers = discriminator[:-1] if isinstance(discriminator, nn.Sequential) else discriminator.layers
    for layer in layers:  # type: ignore[union-attr]
        samples = layer(samples)
        if isinstance(layer, nn.LeakyReLU) or type(layer).__name__ == "Maxout":
            found.append(samples)
    return found
