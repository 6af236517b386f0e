"""Small games for the tests of steps: hand-picked ones, and one for everything that a recipe can name.

The latter come from the registries and from the recipe's own blocks, so that nothing new is forgotten: every
objective, term, family of networks and optimiser, and every value of each option that has values or is a switch.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import torch
from pydantic import BaseModel, ValidationError
from torch import Tensor

from gantry.data.shape import DataShape
from gantry.methods import Batch, build_method
from gantry.methods.adversarial import Adversarial
from gantry.networks import family
from gantry.objectives import OBJECTIVES
from gantry.plan.blocks import networks as network_blocks
from gantry.plan.blocks import objectives as objective_blocks
from gantry.plan.blocks.players import Optimiser
from gantry.plan.blocks.terms import Terms
from gantry.plan.layering import laid_over
from gantry.plan.recipe import Recipe

MLP = {"family": "mlp", "width": 8, "depth": 1, "maxout_units": 8, "maxout_pieces": 2, "maxout_depth": 1}
DCGAN = {"family": "dcgan", "width": 2}
REALNESS = {"name": "realness", "atoms": 5}
TWO = {"generators": 2, "terms": {"logit_agreement": 1.0, "sample_spread": 0.1}}
HAND_PICKED: dict[str, dict[str, Any]] = {
    "BCGAN": {"objective": REALNESS} | TWO,
    "BCGAN, images, random head, average": {"objective": REALNESS, "networks": DCGAN, "ema": 0.9} | TWO,
    "paper's formulation, shifted views": {
        "objective": REALNESS | {"formulation": "paper"},
        "latent": {"dimension": 8, "shift": 0.1},
    },
    "EDGAN": {
        "networks": {"family": "dcgan32", "width": 2, "spectral_penultimate": True, "r311": True},
        "objective": {"name": "non_saturating"},
        "optimiser": {"name": "oadam"},
        "terms": {"entropy_distance": 1.0, "gradient_penalty": 10.0},
        "updates": {"discriminator": 2},
    },
    "bf16": {"objective": REALNESS, "networks": DCGAN, "precision": "bf16"},
    "tf32": {"objective": REALNESS, "precision": "tf32"},
    "least squares, SGD with momentum": {
        "objective": {"name": "least_squares"},
        "optimiser": {"name": "sgd", "momentum": 0.9},
    },
    "WGAN, clipped": {"objective": {"name": "wasserstein", "clip": 0.01}},
    "MMD-GAN, clipped": {"objective": {"name": "mmd_gan", "outputs": 3, "clip": 0.01}},
    "BEGAN": {"objective": {"name": "began"}, "networks": {"family": "mlp_autoencoder", "width": 16, "depth": 1}},
    "packs": {"objective": {"name": "non_saturating"}, "pack": 2},
    "unrolled": {"objective": {"name": "non_saturating"}, "unroll": 1},
    "averaged weights": {
        "objective": {"name": "minimax"},
        "terms": {"historical_averaging": 1.0, "orthogonal_regularisation": 1.0, "feature_matching": 1.0},
    },
    "WGAN-GP, residual": {
        "objective": {"name": "wasserstein"},
        "networks": {"family": "resnet", "width": 2, "spectral_norm": False},
        "terms": {"gradient_penalty": 10.0},
    },
    "histograms": {
        "objective": {"name": "non_saturating"},
        "terms": {"jensen_shannon": 1, "entropy_distance": {"weight": 1, "estimator": "parzen", "pairs": "sorted"}},
    },
}  # fmt: skip

BASE: dict[str, Any] = {
    "workload": "",
    "networks": MLP,
    "objective": {"name": "non_saturating"},
    "latent": {"dimension": 8},
    "batch_size": 8,
}
# What some need beside themselves; the first that makes a recipe valid is taken.
SURROUNDINGS: tuple[dict[str, Any], ...] = (
    {},
    {"updates": {"discriminator": 0}},
    {"networks": {"family": "mlp_autoencoder", "width": 16, "depth": 1}},
    {"networks": {"family": "autoencoder", "width": 2}},
    {"objective": {"name": "began"}},
    {"objective": REALNESS, "generators": 2},
    {"objective": {"name": "mmd_gan", "outputs": 3}},
    {"terms": {"entropy_distance": {"estimator": "neural"}}},
    {"terms": {"entropy_distance": {"estimator": "parzen"}}},
    {"terms": {"entropy_distance": {"estimator": "cross_entropy"}}},
    {"terms": {"entropy_distance": {"of": "mean_image"}}},
)
# Options without a default of their own, and sizes that keep tests quick.
NEEDED = {"divergence": "jeffrey", "of": "hinge", "margin": 1.0}
SMALL = {"width": 2, "atoms": 5, "outputs": 3, "kernels": 4, "dimensions": 2, "reference": 4}
# Readings of the entropy distance without a statistic network.
WITHOUT_NETWORK = {"parzen", "cross_entropy", "images", "mean_image", "logits", True}
WIDTHS = {"mlp": 8, "mlp_autoencoder": 16, "sagan": 8}


def recipe_of(told: dict[str, Any]) -> Recipe:
    """The recipe, with what is not told as in `BASE`, and whatever surroundings it needs."""
    refused: list[ValidationError] = []
    for variable in SURROUNDINGS:
        try:
            return Recipe.model_validate(laid_over(laid_over(BASE, variable), told))
        except ValidationError as error:
            refused.append(error)
    raise refused[0]


def method_of(recipe: Recipe, shape: tuple[int, ...]) -> Adversarial:
    """The method of `recipe`, for samples of this shape."""
    method = build_method(recipe, DataShape(shape))
    assert isinstance(method, Adversarial)
    return method


def batch_of(real: Tensor, noise: Sequence[Tensor] | Mapping[str, Tensor]) -> Batch:
    """A batch of real samples with latents, in the method's order or by name."""
    named = noise if isinstance(noise, Mapping) else dict(zip(("z", "z_shifted"), noise, strict=False))
    return Batch({"x": real}, None, named)


def logits(method: Adversarial, batches: Sequence[Tensor]) -> list[Tensor]:
    """D's logits for each batch, as the losses get them."""
    return [output.logits for output in method.adversary.outputs(batches)]


def losses_of(method: Adversarial, batch: Batch) -> tuple[Tensor, Tensor]:
    """Both losses on one batch."""
    loss_d, loss_g = (method.loss(phase, batch) for phase in ("discriminator", "generator"))
    assert isinstance(loss_d, Tensor) and isinstance(loss_g, Tensor)
    return loss_d, loss_g


def iterate(step: Any, recipe: Recipe, shape: tuple[int, ...]) -> list[float]:
    """One iteration of `step` on made-up data; the losses of its steps."""
    step.method.begin(0, step.device)
    losses = []
    for name, phase in step.phases.items():
        for _ in range(phase.repeat):
            real = torch.rand(recipe.batch_size, *shape, device=step.device) * 2 - 1
            batch = batch_of(real, step.method.draw(name, recipe.batch_size, step.device))
            losses.append(step.update(name, batch).item())
    return losses


def variants(block: type[BaseModel], without: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    """("option value", options) for the block as it is, and with every other value of each option."""
    needed = {
        name: NEEDED[name]
        for name, field in block.model_fields.items()
        if field.is_required() and name in NEEDED
    }
    small = {name: size for name, size in SMALL.items() if name in block.model_fields}
    base = needed | small
    yield "", base
    for name, field in block.model_fields.items():
        if name in without:
            continue
        for value in values(field.annotation):
            if value != field.default and value != base.get(name):
                yield (
                    f", {name} {value if not isinstance(value, dict) else ''}".rstrip(),
                    base | {name: value},
                )


def values(kind: Any) -> Iterator[Any]:
    """What an option of this type can be: the words of a Literal, both sides of a switch, a block with defaults."""
    if get_origin(kind) is Literal:
        yield from get_args(kind)
    elif kind is bool:
        yield from (True, False)
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        yield {name: size for name, size in SMALL.items() if name in kind.model_fields}
    elif NoneType in get_args(kind):
        yield from (value for member in get_args(kind) if member is not NoneType for value in values(member))


def named() -> Iterator[tuple[str, dict[str, Any]]]:
    """A game for everything that has a name in a registry or in the recipe's blocks."""
    objectives = objective_blocks.OBJECTIVES
    for name in OBJECTIVES:
        for suffix, options in variants(objectives[name], ("name",)):
            yield f"objective {name}{suffix}", {"objective": {"name": name} | options}
    for name, field in Terms.model_fields.items():
        if name in ("formulation", "schedules"):
            continue
        if isinstance(field.default, BaseModel):
            for suffix, options in variants(type(field.default), ()):
                if "width" in options and not WITHOUT_NETWORK.isdisjoint(options.values()):
                    del options["width"]  # of the statistic network, which these have not
                yield f"term {name}{suffix}", {"terms": {name: {"weight": 1.0} | options}}
        else:
            yield f"term {name}", {"terms": {name: 1.0}}
    families = network_blocks.FAMILIES
    own = {name for name in families if not hasattr(family(name), "build_generator")}  # of methods
    for name in (
        candidate for candidate in families if not families[candidate].translates and candidate not in own
    ):
        for suffix, options in variants(families[name], ("family", "initialisation")):
            width = {"width": WIDTHS[name]} if name in WIDTHS else {}
            width |= {"steps": 4} if name == "gran" else {}  # into which the latents of a game fall
            yield (
                f"networks {name}{suffix}",
                {"networks": {"family": name} | options | width, "batch_size": 4},
            )
    for name in get_args(Optimiser.model_fields["name"].annotation):
        yield f"optimiser {name}", {"optimiser": {"name": name}}


GAMES: dict[str, dict[str, Any]] = HAND_PICKED | dict(named())
