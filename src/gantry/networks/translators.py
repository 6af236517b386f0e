"""What translators and the discriminators that they play against have in common.

A translator is made from the shapes of its inputs and outputs; images come out in [−1, 1].
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from gantry.errors import UserError
from gantry.networks.initialise import initialise
from gantry.networks.output import DiscriminatorOutput
from gantry.networks.residual import Norm
from gantry.networks.shapes import logit_rows
from gantry.plan.blocks.translators import ImageTranslators

Shape = tuple[int, ...]
# Instance norm has no weights, as in CycleGAN's code; BatchNorm has.
NORMS: dict[str, Norm] = {"instance": nn.InstanceNorm2d, "batch": nn.BatchNorm2d}


def has_bias(networks: ImageTranslators) -> bool:
    """Whether convolutions before a norm have biases: BatchNorm brings its own."""
    return networks.norm == "instance"


def started(network: nn.Module) -> nn.Module:
    """Return the network with kernels from N(0, 0.02²) and biases of 0, as pix2pix and CycleGAN begin."""
    initialise(network)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer.bias is not None:
            nn.init.zeros_(layer.bias)
    return network


class TranslatorBlock(nn.Module):
    """x + norm(conv(activation(norm(conv(x))))), at the same size and width; `conv` makes a convolution's layers."""

    def __init__(
        self,
        width: int,
        norm: Norm,
        conv: Callable[[int, int], list[nn.Module]],
        activation: Callable[[], nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            *conv(width, width), norm(width), activation(), *conv(width, width), norm(width)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.residual(x)


def half(images: Tensor) -> Tensor:
    """(B, C, R, R) → (B, C, R/2, R/2): means of 3×3 pixels, as the code of Pix2pixHD, MUNIT and DRIT has it."""
    return avg_pool2d(images, 3, stride=2, padding=1, count_include_pad=False)


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
        # Some discriminators say themselves how labels are read off.
        if (own := getattr(discriminator, "class_head", None)) is not None:
            self.class_head: nn.Module = own(labels)
        elif map_size:
            self.class_head = nn.Conv2d(channels, labels, tuple(map_size), bias=False)
        else:
            self.class_head = nn.Linear(channels, labels)

    def forward(self, samples: Tensor, asked: Tensor | None = None) -> DiscriminatorOutput:
        features = self.layers(samples)
        said = self.head(features)
        logits = logit_rows(said, said.shape[1]) if said.dim() == 4 else said
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
