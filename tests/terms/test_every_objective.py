"""BCGAN's two constraints and EDGAN's entropy distance on every objective there is: trained, or refused in words."""

from functools import cache
from itertools import product
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from tests.objectives.blocks import OBJECTIVE_BLOCKS
from tests.training.games import iterate, method_of

from gantry.methods.adversarial import Adversarial
from gantry.objectives import OBJECTIVES
from gantry.plan.recipe import Recipe
from gantry.training.step import Step

CPU = torch.device("cpu")
MLP = {"family": "mlp", "width": 16, "depth": 2, "maxout_units": 16, "maxout_pieces": 2, "maxout_depth": 1}
REBUILT = {"family": "mlp_autoencoder", "width": 16, "depth": 1}

TERMS: dict[str, dict[str, Any]] = {
    "logit_agreement": {"logit_agreement": 1.0},
    "sample_spread": {"sample_spread": 0.01},
    "both constraints": {"logit_agreement": 1.0, "sample_spread": 0.01},
    "entropy_distance": {"entropy_distance": 0.1},
    "entropy_distance of features": {"entropy_distance": {"weight": 0.1, "of": "features"}},
    "entropy_distance of logits": {
        "entropy_distance": {"weight": 0.1, "estimator": "cross_entropy", "of": "logits"}
    },
}
# What cannot be: GMMN has no discriminator that could give verdicts.
REFUSED = {
    ("GMMN", "logit_agreement"): "no discriminator: take terms.logit_agreement away",
    ("GMMN", "both constraints"): "no discriminator: take terms.logit_agreement away",
    ("GMMN", "entropy_distance of features"): "no discriminator: take terms.entropy_distance.of away",
    ("GMMN", "entropy_distance of logits"): "no discriminator: take terms.entropy_distance.of away",
}


def recipe_of(objective: str, terms: str | None) -> Recipe:
    block = OBJECTIVE_BLOCKS[objective]
    return Recipe.model_validate(
        {
            "workload": "",
            "networks": REBUILT if block["name"] in {"ebgan", "began"} else MLP,
            "objective": block,
            "terms": {} if terms is None else TERMS[terms],
            "generators": 2,
            "latent": {"dimension": 8},
            "updates": {"discriminator": 0 if block["name"] == "gmmn" else 1},
            "batch_size": 12,
        }
    )


def trained(recipe: Recipe, steps: int = 2) -> tuple[Adversarial, list[float]]:
    """A method after some iterations on points, and its losses."""
    torch.manual_seed(0)
    method = method_of(recipe, (2,)).train()
    step = Step(method, recipe, CPU)
    losses = [loss for _ in range(steps) for loss in iterate(step, recipe, (2,))]
    return method, losses


@cache
def losses_without(objective: str) -> list[float]:
    return trained(recipe_of(objective, None))[1]


def test_every_objective_is_tried() -> None:
    assert {block["name"] for block in OBJECTIVE_BLOCKS.values()} == set(OBJECTIVES)


@pytest.mark.parametrize(("objective", "terms"), list(product(OBJECTIVE_BLOCKS, TERMS)))
def test_a_term_on_an_objective(objective: str, terms: str) -> None:
    if (objective, terms) in REFUSED:
        with pytest.raises(ValidationError, match=REFUSED[objective, terms]):
            recipe_of(objective, terms)
        return
    method, losses = trained(recipe_of(objective, terms))
    assert all(abs(loss) < 1e6 for loss in losses), losses
    assert all(weight.isfinite().all() for weight in method.parameters())
    assert losses != losses_without(objective)


def test_a_verdict_of_several_numbers_is_more_than_an_energy() -> None:
    for objective in ("RealnessGAN", "MMD-GAN"):
        told = {"workload": "", "networks": REBUILT, "objective": OBJECTIVE_BLOCKS[objective]}
        with pytest.raises(ValidationError, match="says one number of each sample, its energy"):
            Recipe.model_validate(told)
