"""StackGAN's and StackGAN++'s networks: conditioning augmentation, a first image, finer ones, and D of pairs.

Source: Zhang et al. 2017, sections 3.2 to 3.4, and 2018, sections 4.1 and 4.2; layers after the authors' code
(hanzhanggit/StackGAN, hanzhanggit/StackGAN-v2), as far as widths and sizes allow.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu

from gantry.networks.output import DiscriminatorOutput
from gantry.plan.blocks.stepwise_networks import StackganNetworks

SLOPE = 0.2
COARSEST = 4  # pixels a side of what the first dense layer makes, and of what D's head reads
Moments = tuple[Tensor, Tensor]


class Augmentation(nn.Module):
    """ĉ = μ(y) + σ(y) ⊙ ε. y (B, V), ε (B, C) → ĉ, μ and log σ, (B, C) each. Their section 3.2."""

    def __init__(self, condition: int, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(condition, 2 * width)

    def forward(self, condition: Tensor, noise: Tensor) -> tuple[Tensor, Moments]:
        mean, log_deviation = leaky_relu(self.dense(condition), SLOPE).chunk(2, dim=1)
        return mean + log_deviation.exp() * noise, (mean, log_deviation)


def doubling(inputs: int, outputs: int) -> nn.Sequential:
    """Return what doubles a side: nearest neighbours, 3×3, BatchNorm, ReLU."""
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="nearest"),
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    """x + f(x), two 3×3 convolutions with BatchNorm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.layers(x))


class Joining(nn.Module):
    """Features (B, F, s, s) and ĉ (B, C), as planes, through a 3×3 convolution and two residual blocks."""

    def __init__(self, features: int, condition: int) -> None:
        super().__init__()
        self.join = nn.Sequential(
            nn.Conv2d(features + condition, features, 3, padding=1, bias=False),
            nn.BatchNorm2d(features),
            nn.ReLU(inplace=True),
        )
        self.residual = nn.Sequential(Residual(features), Residual(features))

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        return self.residual(self.join(torch.cat([features, planes(condition, features)], dim=1)))


def planes(condition: Tensor, like: Tensor) -> Tensor:
    """Return (B, C, s, s): each number of a condition (B, C) as a constant plane."""
    return condition.to(like.dtype)[:, :, None, None].expand(-1, -1, *like.shape[2:])


def head(features: int, channels: int) -> nn.Sequential:
    """Return features → an image in [−1, 1]."""
    return nn.Sequential(nn.Conv2d(features, channels, 3, padding=1), nn.Tanh())


class Base(nn.Module):
    """[z, ĉ] (B, Z + C) → features (B, width, size, size): dense, then doubled, with half the channels each time."""

    def __init__(self, inputs: int, width: int, size: int) -> None:
        super().__init__()
        first = width * size // COARSEST
        self.dense = nn.Sequential(
            nn.Linear(inputs, first * COARSEST**2, bias=False),
            nn.BatchNorm1d(first * COARSEST**2),
            nn.ReLU(inplace=True),
            nn.Unflatten(1, (first, COARSEST, COARSEST)),
        )
        widths = [width * side // COARSEST for side in _sizes(COARSEST, size)][::-1]
        self.doubled = nn.Sequential(*(doubling(a, b) for a, b in pairwise(widths)))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.doubled(self.dense(inputs))


class Refiner(nn.Module):
    """Stage II: image (B, 3, s, s) and ĉ (B, C), no z, → image (B, 3, R, R), by way of features of a quarter of s."""

    def __init__(self, networks: StackganNetworks, condition: int, channels: int, resolution: int) -> None:
        super().__init__()
        width, size = networks.width, networks.smallest
        self.read = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.ReLU(inplace=True),
            *(
                nn.Sequential(
                    nn.Conv2d(inputs, 2 * inputs, 4, stride=2, padding=1, bias=False),
                    nn.BatchNorm2d(2 * inputs),
                    nn.ReLU(inplace=True),
                )
                for inputs in (width, 2 * width)
            ),
        )
        self.joined = Joining(4 * width, condition)
        widths = [
            max(4 * width * size // (4 * side), width // 2, 1) for side in _sizes(size // 4, resolution)
        ]
        self.doubled = nn.Sequential(
            *(doubling(a, b) for a, b in pairwise(widths)), head(widths[-1], channels)
        )

    def forward(self, image: Tensor, condition: Tensor) -> Tensor:
        return self.doubled(self.joined(self.read(image), condition))


class Stages(nn.Module):
    """StackGAN: z, y → the image of stage I; it and y → that of stage II, with a conditioning augmentation each.

    `stage` (), 0 or 1, is the stage that is learning, and the last whose image is made; it is kept with the weights.
    In stage II the first generator stands still, in evaluation mode.
    """

    stage: Tensor

    def __init__(
        self,
        networks: StackganNetworks,
        latent: int,
        condition: int,
        width: int,
        channels: int,
        resolution: int,
    ) -> None:
        super().__init__()
        self.sizes = [networks.smallest, resolution]
        self.width = width
        self.first = nn.ModuleDict(
            {
                "augmentation": Augmentation(condition, width),
                "base": Base(latent + width, networks.width, networks.smallest),
                "head": head(networks.width, channels),
            }
        )
        self.second = nn.ModuleDict(
            {
                "augmentation": Augmentation(condition, width),
                "refiner": Refiner(networks, width, channels, resolution),
            }
        )
        self.register_buffer("stage", torch.zeros((), dtype=torch.int64))
        self.standing = 0
        self.apply(start)

    def stand(self, stage: int) -> None:
        """Go to a stage."""
        self.standing = stage
        self.stage.fill_(stage)
        self.first.train(stage == 0)

    def recall(self) -> None:
        """Go back to the stage that the weights are of."""
        self.standing = int(self.stage)

    @property
    def numbers(self) -> int:
        """How many numbers ε has for each sample."""
        return 2 * self.width

    def forward(self, z: Tensor, condition: Tensor, noise: Tensor) -> tuple[list[Tensor], list[Moments]]:
        """Return the images so far, coarse first, and the moments of each one's augmentation."""
        one, two = noise.split(self.width, dim=1)
        code, moments = self.first["augmentation"](condition, one)
        images = [self.first["head"](self.first["base"](torch.cat([z, code], dim=1)))]
        if not self.standing:
            return images, [moments]
        code, finer = self.second["augmentation"](condition, two)
        return [*images, self.second["refiner"](images[0].detach(), code)], [moments, finer]


class Tree(nn.Module):
    """StackGAN++: [z, ĉ] → features of the smallest size; those and ĉ → of twice the size, …; an image of each."""

    def __init__(
        self,
        networks: StackganNetworks,
        latent: int,
        condition: int,
        width: int,
        channels: int,
        resolution: int,
    ) -> None:
        super().__init__()
        self.sizes = _sizes(networks.smallest, resolution)
        self.width = width
        self.augmentation = Augmentation(condition, width)
        self.base = Base(latent + width, networks.width, networks.smallest)
        widths = [max(1, networks.width >> level) for level in range(len(self.sizes))]
        self.joined = nn.ModuleList(Joining(inputs, width) for inputs in widths[:-1])
        self.doubled = nn.ModuleList(doubling(a, b) for a, b in pairwise(widths))
        self.heads = nn.ModuleList(head(features, channels) for features in widths)
        self.apply(start)

    @property
    def numbers(self) -> int:
        """How many numbers ε has for each sample."""
        return self.width

    def forward(self, z: Tensor, condition: Tensor, noise: Tensor) -> tuple[list[Tensor], list[Moments]]:
        """Return an image of every size, coarse first, and the moments of the one augmentation."""
        code, moments = self.augmentation(condition, noise)
        features = self.base(torch.cat([z, code], dim=1))
        images = [self.heads[0](features)]
        for join, double, to_image in zip(self.joined, self.doubled, self.heads[1:], strict=True):
            features = double(join(features, code))
            images.append(to_image(features))
        return images, [moments]


class PairDiscriminator(nn.Module):
    """Images (B, 3, s, s), condition (B, V) → logits (B, 1) of whether they are a real pair; features (B, F, 4, 4).

    `alone` says of features whether the image is real, whatever the condition.
    """

    def __init__(
        self, networks: StackganNetworks, condition: int, width: int, channels: int, size: int
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs, outputs = channels, networks.width
        for number, _ in enumerate(_sizes(COARSEST, size)[1:]):
            layers.append(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=not number))
            layers += [nn.BatchNorm2d(outputs)] * bool(number) + [nn.LeakyReLU(SLOPE, inplace=True)]
            inputs, outputs = outputs, 2 * outputs
        self.body = nn.Sequential(*layers)
        self.embedding = nn.Sequential(nn.Linear(condition, width), nn.LeakyReLU(SLOPE))
        self.join = nn.Sequential(
            nn.Conv2d(inputs + width, inputs, 1, bias=False),
            nn.BatchNorm2d(inputs),
            nn.LeakyReLU(SLOPE, inplace=True),
        )
        self.pair = nn.Conv2d(inputs, 1, COARSEST)
        self.single = nn.Conv2d(inputs, 1, COARSEST)
        self.apply(start)

    def forward(self, images: Tensor, condition: Tensor) -> DiscriminatorOutput:
        features = self.body(images)
        joined = self.join(torch.cat([features, planes(self.embedding(condition), features)], dim=1))
        return DiscriminatorOutput(self.pair(joined).flatten(1), None, None, features)

    def alone(self, features: Tensor) -> Tensor:
        """Return logits (B, 1) of features."""
        return self.single(features).flatten(1)


def start(layer: nn.Module) -> None:
    """Start weights as N(0, 0.02²), as their code does."""
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.normal_(layer.weight, 0, 0.02)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def nearest(images: Tensor, size: int) -> Tensor:
    """Return images enlarged to `size` pixels a side, by repeating pixels."""
    return interpolate(images, size=(size, size), mode="nearest")


def _sizes(first: int, last: int) -> list[int]:
    """Return first, 2·first, …, last."""
    return [first * 2**step for step in range((last // first).bit_length())]
