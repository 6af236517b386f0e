"""Recipes with every objective, term and way of training, and the options that the handbook's equations tell apart."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from gantry.plan import load_plan
from gantry.plan.blocks.objectives import FDivergence
from gantry.plan.layering import laid_over
from gantry.plan.recipe import Recipe
from gantry.report.handbook import pages, resolved

REPOSITORY = Path(__file__).parents[2]
HANDBOOKS = sorted(pages(REPOSITORY / "docs/methods"))

DIVERGENCES: tuple[str, ...] = FDivergence.__args__


def recipe_of(objective: dict[str, Any], terms: dict[str, Any] | None = None, **more: Any) -> Recipe:
    """A recipe with these blocks, on the networks that the objective needs."""
    family = "mlp_autoencoder" if objective["name"] in ("ebgan", "began") else "mlp"
    updates = {"discriminator": 0 if objective["name"] == "gmmn" else 1}
    block = {"workload": "w", "networks": {"family": family}, "objective": objective, "updates": updates}
    return Recipe.model_validate(block | {"terms": terms or {}} | more)


OBJECTIVE_BLOCKS = [
    {"name": "minimax"},
    {"name": "minimax", "real_label": 0.8},
    {"name": "non_saturating"},
    {"name": "non_saturating", "real_label": 0.7},
    {"name": "score_distance"},
    {"name": "least_squares", "a": -0.5, "b": 1.5, "c": 0.75},
    {"name": "hinge"},
    {"name": "wasserstein"},
    {"name": "wasserstein", "clip": 0.1},
    {"name": "loss_sensitive", "margin": 0.7, "slope": 0.3},
    {"name": "d2gan", "alpha": 0.3, "beta": 0.6},
    {"name": "ebgan", "margin": 0.5},
    {"name": "began", "diversity": 0.7, "gain": 0.01},
    {"name": "realness", "atoms": 5},
    {"name": "realness", "atoms": 5, "formulation": "paper"},
    *({"name": "relativistic", "of": of, "average": average} for of in ("minimax", "non_saturating",
      "least_squares", "hinge") for average in (False, True)),
    *({"name": "f_gan", "divergence": divergence} for divergence in DIVERGENCES),
    {"name": "f_gan", "divergence": "kl", "non_saturating": True},
    {"name": "f_gan", "divergence": "weighted_jensen_shannon", "data_share": 0.7},
    *({"name": "mmd_gan", "outputs": 2, "kernel": kernel, "root": root, "scales": [0.5, 2.0]}
      for kernel in ("rbf", "rational_quadratic") for root in (False, True)),
    *({"name": "gmmn", "kernel": kernel, "root": root, "scales": [0.5, 2.0]}
      for kernel in ("rbf", "rational_quadratic") for root in (False, True)),
]  # fmt: skip
# Their equations are put together of parts that the others have.
COMPOSED_BLOCKS = [{"name": "relativistic", "of": {"name": "f_gan", "divergence": "kl"}}]
PENALTIES = [
    {"weight": 3.0, "center": center, "points": points, "halved": halved, "through": through}
    for center, points, halved, through in (
        (1.0, "real", False, "logits"), (0.0, "generated", True, "logits"), (0.5, "real", True, "sigmoid")
    )
]  # fmt: skip
PENALTIES += [{"weight": 3.0, "center": 0.4, "points": "real", "one_sided": True}]
TERM_BLOCKS = [
    *({"gradient_penalty": penalty} for penalty in PENALTIES),
    {"feature_matching": 2.0},
    {"pulling_away": 0.5},
    {"historical_averaging": 0.25},
    {"drift": 0.3},
    {"spectral_regularisation": {"weight": 0.1, "players": ["discriminator", "generators"]}},
    {"orthogonal_regularisation": {"weight": 0.1}},
    {"orthogonal_regularisation": {"weight": 0.1, "form": "full"}},
    {"entropy_distance": {"weight": 1.5, "estimator": "parzen", "bins": 8}},
    *(
        {"entropy_distance": {"weight": 1.5, "estimator": "cross_entropy", "of": of}}
        for of in ("images", "mean_image", "logits")
    ),
    {"jensen_shannon": {"weight": 1.5, "bins": 8}},
    {"jensen_shannon": {"weight": 1.5, "of": "images"}},
    {"logit_agreement": 2.0},
    {"sample_spread": 2.0},
]
# Drawn points, trained bounds and constants, which are told of in words.
DRAWN_BLOCKS = [
    *({"gradient_penalty": {"weight": 1, "points": points}} for points in ("lines", "perturbed")),
    {"entropy_distance": {"weight": 1, "estimator": "neural", "of": "images"}},
    {"entropy_distance": {"weight": 1, "detached": True}},
]
TRAINING = {"pack": 2, "unroll": 3, "ema": 0.9}
LAYERS = {
    "minibatch_discrimination": {"kernels": 3, "dimensions": 2},
    "virtual_batch_norm": {"reference": 32},
}


@cache
def recipes_of(paper: str) -> dict[str, Recipe]:
    """The recipes that a paper describes, with what they inherit."""
    experiment = load_plan({"scale": "paper", "papers": [paper]}, REPOSITORY, quiet=True).experiments[paper]
    return {name: resolved(experiment, paper, name) for name in experiment.recipes}


PERCEPTUAL = {"weight": 1.0, "network": "embedded", "depths": {"relu1": 1.0}}
# Options of methods that no recipe of a page sets, by one that they may be laid over.
METHOD_OPTIONS: dict[tuple[str, str], list[dict[str, Any]]] = {
    ("conditional", "pictures_semi_supervised"): [{"method": {"matching": "absolute"}}],
    ("conditional", "pictures_triple_gan"): [{"method": {"integrate": False, "consistency": 1.0}}],
    ("translation", "pictures_pix2pix"): [
        {"method": {"scales": 2, "output_adversarial": 0.5}},
        {"method": {"mismatched": True}},
        {"method": {"feature_matching": 10.0, "total_variation": 1.0}},
        {"method": {"perceptual": PERCEPTUAL | {"distance": "l1"}}},
        {"method": {"adversarial": 0, "output_adversarial": 1.0}},
        {"method": {"adversarial": 0, "output_adversarial": 1.0, "distance": "l2"}},
        {"method": {"adversarial": 0, "match": 0, "perceptual": PERCEPTUAL | {"distance": "l2"}}},
    ],
    ("translation", "pictures_cyclegan"): [
        {"method": {"feature_matching": 1.0, "distance": "l2"}},
        {"method": {"cycle": 0, "identity": 5.0}},
    ],
    ("translation", "points_discogan"): [{"method": {"distance": "l1"}}],
    ("translation", "points_combogan"): [
        {"method": {"self_reconstruction": 1.0, "code": 1.0}},
        {"method": {"self_reconstruction": 1.0, "cycle": 0}},
    ],
    ("translation", "pictures_combogan"): [{"method": {"forward": 0.2}}],
    ("translation", "points_munit"): [
        {"method": {"styles": "exchanged", "style_recovery": 0}},
        {"method": {"cycle": 1.0, "self_reconstruction": 0, "mode_seeking": 1.0}},
    ],
    ("translation", "pictures_munit"): [{"networks": {"shared": 1}}],
    ("translation", "points_drit"): [{"method": {"mode_seeking": 1.0}}],
    ("translation", "points_bicyclegan"): [{"method": {"sees": "pair"}}],
}  # fmt: skip


def shown(block: Any) -> str:
    """A test's name."""
    return re.sub(r"[^a-z0-9.,]+", " ", str(block)).strip()


def trained(objective: dict[str, Any]) -> Iterator[Recipe]:
    """One with each of what changes how the players are built and moved."""
    for name, value in TRAINING.items():
        yield recipe_of(objective, **{name: value})
    for name, value in LAYERS.items():
        yield recipe_of(objective, networks={"family": "mlp", name: value})


def every_recipe() -> Iterator[Recipe]:
    """One of each that the equations tell apart."""
    hinge = {"name": "hinge"}
    yield from map(recipe_of, OBJECTIVE_BLOCKS + COMPOSED_BLOCKS)
    for block in TERM_BLOCKS + DRAWN_BLOCKS:
        yield recipe_of(hinge, block, generators=2)
    for through in ("logits", "witness"):
        yield recipe_of({"name": "mmd_gan"}, {"gradient_penalty": {"weight": 1, "through": through}})
    yield from trained(hinge)
    for paper in HANDBOOKS:
        yield from recipes_of(paper).values()
    for (paper, name), changes in METHOD_OPTIONS.items():
        for change in changes:
            whole = recipes_of(paper)[name].model_dump(exclude_unset=True)
            yield Recipe.model_validate(laid_over(whole, change))
