"""Every term in a method: with points and with images, in both precisions, and taken up again to the same bits."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from tests.training.games import batch_of, method_of
from torch import Tensor

from gantry.methods.adversarial import Adversarial
from gantry.plan.recipe import Recipe
from gantry.terms import DISCRIMINATOR_TERMS, GENERATOR_TERMS
from gantry.training.step import Step

CPU = torch.device("cpu")
NETWORKS = {
    "mlp": {
        "family": "mlp",
        "width": 8,
        "depth": 1,
        "maxout_units": 8,
        "maxout_pieces": 2,
        "maxout_depth": 2,
    },
    "dcgan": {"family": "dcgan", "width": 2, "head": "linear"},
}
TERMS: dict[str, dict[str, Any]] = {
    "logit_agreement": {"logit_agreement": 1},
    "sample_spread": {"sample_spread": 1},
    "entropy_distance": {"entropy_distance": 1},
    "entropy distance of samples": {"entropy_distance": {"weight": 1, "of": "samples"}},
    "entropy distance, sorted": {
        "entropy_distance": {"weight": 1, "estimator": "parzen", "pairs": "sorted", "pixels": 100}
    },
    "entropy distance of features": {"entropy_distance": {"weight": 1, "of": "features"}},
    "neural entropy distance": {"entropy_distance": {"weight": 1, "estimator": "neural"}},
    "entropy distance by InfoNCE": {
        "entropy_distance": {"weight": 1, "estimator": "neural", "bound": "infonce", "pixels": 128}
    },
    "jensen_shannon": {"jensen_shannon": 1},
    "gradient_penalty": {"gradient_penalty": 10},
    "R1": {"gradient_penalty": {"weight": 5, "center": 0, "points": "real", "halved": True}},
    "GAN-0GP": {"gradient_penalty": {"weight": 10, "center": 0, "through": "sigmoid"}},
    "DRAGAN": {"gradient_penalty": {"weight": 10, "points": "perturbed"}},
    "bi-penalty": {"gradient_penalty": 10, "entropy_distance": 1},
    "orthogonal_regularisation": {"orthogonal_regularisation": 1},
    "historical_averaging": {"historical_averaging": {"weight": 1, "players": ["generators"]}},
    "spectral_regularisation": {"spectral_regularisation": {"weight": 1, "players": ["generators"]}},
    "feature_matching": {"feature_matching": 1},
    "pulling_away": {"pulling_away": 1},
    "drift": {"drift": 1},
}


def players_with(terms: dict[str, Any]) -> set[str]:
    """Whose loss the terms are part of."""
    named = {
        "discriminator": DISCRIMINATOR_TERMS.keys() & terms.keys(),
        "generator": GENERATOR_TERMS.keys() & terms.keys(),
    }
    only_generators = [name for name in terms if "players" in str(terms[name])]
    named["discriminator"] = named["discriminator"] - set(only_generators)
    return {player for player, names in named.items() if names}


def test_every_term_is_tried() -> None:
    assert {
        name for terms in TERMS.values() for name in terms
    } == DISCRIMINATOR_TERMS | GENERATOR_TERMS.keys()


@cache
def updated(family: str, terms: str = "{}", precision: str = "fp32") -> tuple[Adversarial, dict[str, Tensor]]:
    """A method after two updates of each player, and their losses."""
    shape = (2,) if family == "mlp" else (3, 32, 32)
    recipe = Recipe.model_validate(
        {
            "workload": "",
            "networks": NETWORKS[family],
            "objective": {"name": "non_saturating"},
            "terms": json.loads(terms),
            "generators": 2,
            "latent": {"dimension": 8},
            "batch_size": 8,
            "precision": precision,
        }
    )
    torch.manual_seed(1)
    method = method_of(recipe, shape).train()
    step = Step(method, recipe, CPU)
    losses = {}
    for player in ("generator", "discriminator"):
        torch.manual_seed(2)
        samples, noise = torch.rand(8, *shape) * 2 - 1, method.draw(player, 8, CPU)
        losses[player] = torch.stack([step.update(player, batch_of(samples, noise)) for _ in range(2)])
    return method, losses


def check_finite(method: Adversarial, losses: dict[str, Tensor]) -> None:
    assert all(loss.isfinite().all() for loss in losses.values())
    assert all(parameter.isfinite().all() for parameter in method.parameters())
    for term in (*method.generator_terms, *method.discriminator_terms):
        for parameter in term.parameters():
            assert parameter.grad is not None and parameter.grad.abs().max() > 0


@pytest.mark.parametrize("family", NETWORKS)
@pytest.mark.parametrize("name", TERMS)
def test_a_term_changes_its_players_loss(name: str, family: str) -> None:
    _, without = updated(family)
    method, losses = updated(family, json.dumps(TERMS[name]))
    check_finite(method, losses)
    changed = players_with(TERMS[name])
    for player in changed:
        assert not torch.equal(losses[player], without[player])
    if changed == {"discriminator"}:  # whose updates come after the generators'
        assert torch.equal(losses["generator"], without["generator"])


@pytest.mark.parametrize(
    "name", ["bi-penalty", "neural entropy distance", "orthogonal_regularisation", "pulling_away"]
)
def test_half_precision(name: str) -> None:
    check_finite(*updated("dcgan", json.dumps(TERMS[name]), "bf16"))


def test_terms_that_learn_and_remember_are_taken_up_again(
    lab: Any, tools: Any, stop_at: Callable[..., None]
) -> None:
    recipe = tools.bcgan | {
        "terms": {
            "entropy_distance": {"weight": 1, "estimator": "neural", "width": 8},
            "historical_averaging": 0.1,
            "gradient_penalty": 10,
        },
        "optimiser": {"name": "oadam"},
    }
    straight = lab.train("straight", 12, recipe)
    stop_at(3, 8)
    assert lab.train_through("stopped", 12, recipe) == 2
    assert tools.outcome(lab.root("stopped")) == tools.outcome(straight)
