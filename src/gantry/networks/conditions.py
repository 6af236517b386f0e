"""The named ways by which a condition enters a generator or a discriminator; families know nothing of them.

A condition is a row of numbers for each sample, (B, width): one-hot for classes, ±1 for attributes.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from gantry.errors import UserError
from gantry.networks.output import DiscriminatorOutput
from gantry.networks.spectral import is_normalised, normalise_layer

Shape = tuple[int, ...]
BuildGenerator = Callable[[int], nn.Module]
BuildDiscriminator = Callable[[Shape], nn.Module]


# ── generators: forward(z (B, Z), condition (B, width)) → samples ────────────────────────────────────────


class Concatenated(nn.Module):
    """G([z, y]): the condition lengthens the latent. Mirza and Osindero 2014."""

    def __init__(self, build: BuildGenerator, latent: int, width: int, options: Any) -> None:
        super().__init__()
        self.generator = build(latent + width)

    def forward(self, z: Tensor, condition: Tensor) -> Tensor:
        return self.generator(torch.cat([z, condition], dim=1))


class ConditionalNorm(nn.Module):
    """BatchNorm whose scale and shift are functions of what it is given: (1 + W_γ c)·x̂ + W_β c, per channel.

    With c one-hot these are a scale and a shift for each class. De Vries et al. 2017; Miyato and Koyama 2018.
    """

    def __init__(self, norm: nn.modules.batchnorm._BatchNorm, width: int) -> None:
        super().__init__()
        self.norm = type(norm)(norm.num_features, norm.eps, norm.momentum, affine=False)
        self.scale = nn.Linear(width, norm.num_features, bias=False)
        self.shift = nn.Linear(width, norm.num_features, bias=False)
        for layer in (self.scale, self.shift):
            nn.init.zeros_(layer.weight)  # every class starts with BatchNorm's own 1 and 0
        self.given: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        assert self.given is not None, "the generator around it says what the norm is given"
        per_channel = (*self.scale(self.given).shape, *[1] * (x.dim() - 2))
        scale, shift = self.scale(self.given).view(per_channel), self.shift(self.given).view(per_channel)
        return (1 + scale) * self.norm(x) + shift


class ConditionalNorms(nn.Module):
    """G(z) with a scale and a shift for each class in every BatchNorm but the last. Miyato and Koyama 2018."""

    def __init__(self, build: BuildGenerator, latent: int, width: int, options: Any) -> None:
        super().__init__()
        self.generator = build(latent)
        self.norms = replace_norms(self.generator, [width] * len(inner_norms(self.generator)))

    def forward(self, z: Tensor, condition: Tensor) -> Tensor:
        return with_given(self.generator, self.norms, z, [condition] * len(self.norms))


class SharedEmbedding(nn.Module):
    """BigGAN's way: one embedding e(y) for all the norms, each of which reads [e(y), z_b] by a layer of its own.

    z is cut into equal chunks: the first enters the first layer, and each further one a norm (`chunks: true`);
    without chunks z enters the first layer alone. `chunks: whole`, as in BigGAN-deep: the first layer and all norms
    read [z, e(y)]. Norms' layers have spectral norm where the generator's have. Brock et al. 2019, section 3 and
    appendix B.
    """

    def __init__(self, build: BuildGenerator, latent: int, width: int, options: Any) -> None:
        super().__init__()
        self.whole, cut = options.chunks == "whole", options.chunks is True
        probe = inner_norms(build(latent))
        self.chunk = latent // (len(probe) + 1) if cut else latent
        if cut and latent % (len(probe) + 1):
            raise UserError(
                f"latent.dimension {latent} cannot be cut into {len(probe) + 1} equal chunks, one for the first layer "
                f"and one for each of {len(probe)} norms: take a multiple of {len(probe) + 1}, or method.chunks: false"
            )
        self.embedding = nn.Linear(width, options.width, bias=False)
        self.generator = build(latent + options.width if self.whole else self.chunk)
        read = options.width + (self.chunk if options.chunks else 0)
        normalised = any(is_normalised(layer) for layer in self.generator.modules())
        self.norms = replace_norms(self.generator, [read] * len(probe))
        for norm in self.norms:
            nn.init.orthogonal_(norm.scale.weight)
            nn.init.orthogonal_(norm.shift.weight)
            for layer in (norm.scale, norm.shift) if normalised else ():
                normalise_layer(layer)

    def forward(self, z: Tensor, condition: Tensor) -> Tensor:
        embedded = self.embedding(condition)
        if self.whole:
            read = torch.cat([z, embedded], dim=1)
            return with_given(self.generator, self.norms, read, [read] * len(self.norms))
        first, *others = z.split(self.chunk, dim=1)
        given = [torch.cat([embedded, chunk], 1) for chunk in others] or [embedded] * len(self.norms)
        return with_given(self.generator, self.norms, first, given)


GENERATOR_ENTRIES: dict[str, Callable[[BuildGenerator, int, int, Any], nn.Module]] = {
    "concat": Concatenated,
    "batch_norm": ConditionalNorms,
    "shared": SharedEmbedding,
}


def inner_norms(network: nn.Module) -> list[str]:
    """Return the names of a generator's BatchNorm layers but the last. UserError where there is none."""
    norms = [
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
    ]
    if len(norms) < 2:
        raise UserError(
            "method.generator batch_norm and shared put the condition into the generator's BatchNorm layers, and this "
            "family of networks has none that is not the last: take networks.family resnet, sngan, dcgan32 or dcgan, "
            "or method.generator: concat"
        )
    return norms[:-1]


def replace_norms(network: nn.Module, widths: list[int]) -> list[ConditionalNorm]:
    """Put a conditional norm in the place of every inner BatchNorm; return them, first to last."""
    replaced = []
    for name, width in zip(inner_norms(network), widths, strict=True):
        parent, _, last = name.rpartition(".")
        norm = ConditionalNorm(network.get_submodule(name), width)  # type: ignore[arg-type]
        setattr(network.get_submodule(parent), last, norm)
        replaced.append(norm)
    return replaced


def with_given(network: nn.Module, norms: list[ConditionalNorm], z: Tensor, given: list[Tensor]) -> Tensor:
    """Run `network` on z, each norm with what it is given."""
    for norm, condition in zip(norms, given, strict=True):
        norm.given = condition
    try:
        samples: Tensor = network(z)
    finally:
        for norm in norms:
            norm.given = None
    return samples


# ── discriminators: forward(samples, condition | None) → DiscriminatorOutput ────────────────────────────


class Unconditioned(nn.Module):
    """D(x): the condition is not looked at; what there is to say of it, the heads say."""

    def __init__(self, features: int, width: int, options: Any) -> None:
        super().__init__()

    @staticmethod
    def seen(shape: Shape, width: int) -> Shape:
        """Return the shape of what the body reads for samples of `shape`."""
        return shape

    def body_input(self, samples: Tensor, condition: Tensor) -> Tensor:
        """Return what the body reads."""
        return samples

    def logits(self, features: Tensor, condition: Tensor, head: nn.Module) -> Tensor:
        """Return the logits of features (B, F), of which `head` is a linear function."""
        return head(features)


class Planes(Unconditioned):
    """D([x, y]): further coordinates of points, further constant planes of images. Mirza and Osindero 2014."""

    @staticmethod
    def seen(shape: Shape, width: int) -> Shape:
        channels, *rest = shape
        return (channels + width, *rest)

    def body_input(self, samples: Tensor, condition: Tensor) -> Tensor:
        ones = [1] * (samples.dim() - 2)
        planes = condition.to(samples.dtype).view(*condition.shape, *ones).expand(-1, -1, *samples.shape[2:])
        return torch.cat([samples, planes], dim=1)


class Joined(Unconditioned):
    """D's features and an embedding of y, joined, through a layer of ReLUs. Reed et al. 2016; StackGAN."""

    def __init__(self, features: int, width: int, options: Any) -> None:
        super().__init__(features, width, options)
        self.embedding = nn.Linear(width, options.width)
        self.join = nn.Sequential(nn.Linear(features + options.width, features), nn.LeakyReLU(0.2))

    def logits(self, features: Tensor, condition: Tensor, head: nn.Module) -> Tensor:
        return head(self.join(torch.cat([features, self.embedding(condition)], dim=1)))


class Projection(Unconditioned):
    """bᵀh + ⟨e(y), h⟩. Miyato and Koyama 2018, eq. 4."""

    def __init__(self, features: int, width: int, options: Any) -> None:
        super().__init__(features, width, options)
        self.embedding = nn.Linear(width, features, bias=False)

    def logits(self, features: Tensor, condition: Tensor, head: nn.Module) -> Tensor:
        return head(features) + (self.embedding(condition) * features).sum(dim=1, keepdim=True)


DISCRIMINATOR_ENTRIES: dict[str, type[Unconditioned]] = {
    "none": Unconditioned,
    "planes": Planes,
    "joined": Joined,
    "projection": Projection,
}


class ConditionalDiscriminator(nn.Module):
    """D(x, y): the body of a family's discriminator, an entry for the condition, and heads on the body's features.

    samples (B, …), condition (B, width) → logits (B, outputs); class_logits (B, classes) and code (B, numbers) of
    linear heads where they are asked for; the features. Heads are spectrally normalised where the body's own is.
    """

    def __init__(
        self,
        build: BuildDiscriminator,
        shape: Shape,
        entry: str,
        width: int,
        options: Any = None,
        classes: int = 0,
        code: int = 0,
    ) -> None:
        super().__init__()
        self.body, self.head = without_head(build(DISCRIMINATOR_ENTRIES[entry].seen(shape, width)))
        features = self.head.in_features
        self.entry = DISCRIMINATOR_ENTRIES[entry](features, width, options)
        self.class_head = nn.Linear(features, classes) if classes else None
        self.code_head = nn.Linear(features, code) if code else None
        if is_parametrized(self.head):
            added = (self.entry, self.class_head, self.code_head)
            layers = [module for part in added if part is not None for module in part.modules()]
            for layer in [module for module in layers if isinstance(module, nn.Linear)]:
                normalise_layer(layer)

    def forward(self, samples: Tensor, condition: Tensor) -> DiscriminatorOutput:
        features = self.body(self.entry.body_input(samples, condition))
        return DiscriminatorOutput(
            self.entry.logits(features, condition, self.head),
            None if self.class_head is None else self.class_head(features),
            None if self.code_head is None else self.code_head(features),
            features,
        )


def without_head(discriminator: nn.Module) -> tuple[nn.Module, nn.Linear]:
    """Return a discriminator up to what its last dense layer reads, (B, F), and that layer.

    Raises UserError for one that does not end in a dense layer.
    """
    if isinstance(discriminator, nn.Sequential) and isinstance(discriminator[-1], nn.Linear):
        return discriminator[:-1], discriminator[-1]
    head = getattr(discriminator, "head", None)
    dense = getattr(head, "linear", head)
    if type(head).__name__ != "AdaptiveHead" and isinstance(dense, nn.Linear):
        discriminator.head = nn.Identity()
        return discriminator, dense
    raise UserError(
        "networks: a conditional discriminator, or one with heads, is a body that ends in one dense layer, and this "
        "one does not: take networks.family mlp, sngan, resnet, sagan or biggan_deep, or dcgan with head: linear and "
        "discriminator: dcgan"
    )
