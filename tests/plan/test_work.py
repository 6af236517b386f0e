"""The arithmetic of updates against what PyTorch really runs, product by product."""

from typing import Any

import pytest
import torch
from tests.training.games import batch_of, method_of
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from gantry.plan import work
from gantry.plan.estimate import state_numbers
from gantry.plan.gpu_memory import kept_numbers
from gantry.plan.recipe import Recipe
from gantry.plan.work import Work, discriminator_update, flops_per_iteration, generator_update, sizes
from gantry.terms import DISCRIMINATOR_TERMS, GENERATOR_TERMS
from gantry.training.step import Step

# Of PyTorch, on switching oneDNN off, about GPUs that are not here.
pytestmark = pytest.mark.filterwarnings("ignore:TF32 acceleration")

CPU = torch.device("cpu")
MLP = {"family": "mlp", "width": 16, "depth": 2, "maxout_units": 16, "maxout_pieces": 3, "maxout_depth": 2}
REBUILT = {"family": "mlp_autoencoder", "width": 16, "depth": 2}
IMAGES = {"family": "dcgan", "width": 4, "head": "linear", "spectral_norm": False}
NEURAL = {"weight": 1, "estimator": "neural", "width": 8}


class Counter(TorchDispatchMode):
    """Floating-point operations by PyTorch's own formulas. (`FlopCounterMode` does not go with `autograd.grad`.)"""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.flops += formula(*args, **(kwargs or {}), out_val=made)
        return made


def recipe_of(**told: Any) -> Recipe:
    usual = {
        "workload": "",
        "networks": MLP,
        "objective": {"name": "non_saturating"},
        "latent": {"dimension": 8},
        "batch_size": 12,
    }
    return Recipe.model_validate(usual | told)


def resolution_of(recipe: Recipe) -> int | None:
    return None if recipe.networks.makes == "points" else 32


def measured(recipe: Recipe) -> tuple[int, int]:
    """Multiply-adds of one update of D and one of the generators."""
    side = resolution_of(recipe)
    shape = (2,) if side is None else (3, side, side)
    torch.manual_seed(0)
    counts = []
    with torch.backends.mkldnn.flags(enabled=False):  # PyTorch has no formula for its operations
        method = method_of(recipe, shape).train()
        method.adversary.objective.redraw(CPU)
        step = Step(method, recipe, CPU)
        real = torch.rand(recipe.batch_size, *shape) * 2 - 1
        for phase in ["discriminator"] * recipe.updates.discriminator + ["generator"]:
            with Counter() as counter:
                step.update(phase, batch_of(real, method.draw(phase, recipe.batch_size, CPU)))
            counts.append(counter.flops)
    return (0 if len(counts) == 1 else counts[0] // 2), counts[-1] // 2


def counted(recipe: Recipe) -> tuple[int, int]:
    batch = Work(recipe, resolution_of(recipe))
    of_discriminator = discriminator_update(batch) if recipe.updates.discriminator else 0
    return of_discriminator, generator_update(batch)


EXACT: dict[str, dict[str, Any]] = {
    "plain": {},
    "two generators": {"generators": 2, "terms": {"verdict_agreement": 1, "sample_spread": 1}},
    "views": {"latent": {"dimension": 8, "shift": 0.1}},
    "images": {"networks": IMAGES},
    "images by halves": {"networks": {"family": "dcgan32", "width": 4}},
    "residual": {"networks": {"family": "resnet", "width": 4}},
    "energies": {"networks": REBUILT, "objective": {"name": "began"}},
    "relativistic": {"objective": {"name": "relativistic", "of": "hinge"}},
    "relative to a real batch": {"objective": {"name": "realness", "outcomes": 5}},
    "D2GAN": {"objective": {"name": "d2gan"}},
    "packs": {"pack": 3},
    "packed images": {"pack": 2, "networks": IMAGES},
    "GMMN": {"objective": {"name": "gmmn"}, "updates": {"discriminator": 0}},
    "MMD-GAN": {"objective": {"name": "mmd_gan", "outputs": 4}, "generators": 2},
    "unrolled": {"unroll": 1},
    "unrolled further, with two generators": {"unroll": 3, "generators": 2},
    "a reference batch": {"networks": MLP | {"virtual_batch_norm": {"reference": 5}}, "generators": 2},
    "minibatch discrimination": {"networks": MLP | {"minibatch_discrimination": {"kernels": 3}}},
    "orthogonality": {"terms": {"orthogonal_regularisation": 1}, "generators": 2},
    "orthogonality of G's": {
        "terms": {"orthogonal_regularisation": {"weight": 1, "players": ["generators"]}},
        "networks": {"family": "resnet", "width": 4},
    },
    "entropy distance": {"terms": {"entropy_distance": 1}, "generators": 2},
    "entropy distance of some pixels": {
        "terms": {"entropy_distance": {"weight": 1, "bins": 8, "pixels": 100}},
        "networks": IMAGES,
    },
    "Jensen–Shannon": {"terms": {"jensen_shannon": 1}},
    "history": {"terms": {"historical_averaging": 1}},
}
NEARLY: dict[str, dict[str, Any]] = {
    "WGAN-GP": {"objective": {"name": "wasserstein"}, "terms": {"gradient_penalty": 10}, "generators": 2},
    "R1, images": {
        "networks": IMAGES,
        "terms": {"gradient_penalty": {"weight": 10, "points": "real", "center": 0}},
    },
    "DRAGAN, energies": {
        "networks": REBUILT,
        "objective": {"name": "ebgan", "margin": 1},
        "terms": {"gradient_penalty": {"weight": 10, "points": "perturbed"}},
    },
    "penalised packs": {"pack": 2, "terms": {"gradient_penalty": 10}},
    "SAGAN": {"networks": {"family": "sagan", "width": 8}, "terms": {"gradient_penalty": 10}},
    "BEGAN": {"networks": {"family": "autoencoder", "width": 4}, "objective": {"name": "began"}},
    "feature matching": {"terms": {"feature_matching": 1}, "generators": 2},
    "feature matching, images": {"terms": {"feature_matching": 1}, "networks": IMAGES},
    "codes pulled away": {
        "networks": REBUILT,
        "objective": {"name": "ebgan", "margin": 1},
        "terms": {"pulling_away": 0.1},
    },
    "neural entropy distance": {"terms": {"entropy_distance": NEURAL}},
    "entropy distance by InfoNCE": {"terms": {"entropy_distance": NEURAL | {"bound": "infonce"}}},
    "entropy distance of features": {"terms": {"entropy_distance": {"weight": 1, "of": "features"}}},
    "entropy distance, detached": {"terms": {"entropy_distance": {"weight": 1, "detached": True}}},
    "entropy distance of pairs of samples": {"terms": {"entropy_distance": NEURAL | {"of": "images"}}},
    **{
        f"cross-entropies of {of}": {
            "terms": {"entropy_distance": {"weight": 1, "estimator": "cross_entropy", "of": of}}
        }
        for of in ("images", "mean_image", "logits")
    },
    "unrolled D2GAN": {"objective": {"name": "d2gan"}, "unroll": 2},
    "unrolled and penalised": {"unroll": 2, "terms": {"gradient_penalty": 10}},
}


@pytest.mark.parametrize("name", EXACT)
def test_updates_are_counted_exactly(name: str) -> None:
    recipe = recipe_of(**EXACT[name])
    assert counted(recipe) == measured(recipe)


@pytest.mark.parametrize("name", NEARLY)
def test_updates_are_counted_within_a_tenth(name: str) -> None:
    recipe = recipe_of(**NEARLY[name])
    assert counted(recipe) == pytest.approx(measured(recipe), rel=0.1)


def test_an_iteration_is_its_updates() -> None:
    recipe = recipe_of(updates={"discriminator": 5, "generator": 2})
    of_discriminator, of_generators = counted(recipe)
    assert flops_per_iteration(recipe, None) == 2 * (5 * of_discriminator + 2 * of_generators)


def test_a_second_discriminator_has_weights_of_its_own_and_none_has_none() -> None:
    one, two = (sizes(recipe_of(objective={"name": each}), None)[1] for each in ("hinge", "d2gan"))
    assert (two.weights, two.macs) == (2 * one.weights, 2 * one.macs)
    none = sizes(recipe_of(objective={"name": "gmmn"}, updates={"discriminator": 0}), None)[1]
    assert (none.weights, none.macs) == (0, 0)


STATES: dict[str, dict[str, Any]] = {
    "two discriminators, averaged": {"objective": {"name": "d2gan"}, "ema": 0.9},
    "packs": {"pack": 3},
    "optimistic": {"optimiser": {"name": "oadam"}, "generators": 2},
    "plain descent": {"optimiser": {"name": "sgd"}, "terms": {"historical_averaging": 1}},
    "with momentum": {"optimiser": {"name": "sgd", "momentum": 0.5}},
    "rmsprop": {"optimiser": {"name": "rmsprop"}},
    "no discriminator": {"objective": {"name": "gmmn"}, "updates": {"discriminator": 0}},
}


@pytest.mark.parametrize("name", STATES)
def test_the_state_holds_as_many_numbers_as_are_counted(name: str) -> None:
    """But for vectors: biases, and BatchNorm's."""
    recipe = recipe_of(networks=MLP | {"width": 200, "maxout_units": 200}, **STATES[name])
    torch.manual_seed(0)
    step = Step(method_of(recipe, (2,)).train(), recipe, CPU)
    batch = batch_of(torch.randn(12, 2), step.method.draw("generator", 12, CPU))
    for phase in ["discriminator"] * recipe.updates.discriminator + ["generator"]:
        step.update(phase, batch)
    kept = [*step.method.state_dict().values()]
    kept += [] if step.average is None else [*step.average.module.state_dict().values()]
    for optimiser in step.optimisers.values():
        kept += [each for state in optimiser.state_dict()["state"].values() for each in state.values()]
    held = sum(each.numel() for each in kept if isinstance(each, torch.Tensor))
    assert state_numbers(recipe, None) == pytest.approx(held, rel=0.04)


def kept_for_gradients(recipe: Recipe) -> int:
    """Numbers that the larger of the two updates keeps until its gradient is taken, weights left out."""
    side = resolution_of(recipe)
    torch.manual_seed(0)
    method = method_of(recipe, (2,) if side is None else (3, side, side)).train()
    method.adversary.objective.redraw(CPU)
    step = Step(method, recipe, CPU)
    real = torch.rand(recipe.batch_size, *((2,) if side is None else (3, side, side))) * 2 - 1
    weights = {each.untyped_storage().data_ptr() for each in method.parameters()}
    found = []
    for phase in ["discriminator"] * recipe.updates.discriminator + ["generator"]:
        kept: dict[int, torch.Tensor] = {}

        def keep(value: torch.Tensor, kept: dict[int, torch.Tensor] = kept) -> torch.Tensor:
            kept[value.untyped_storage().data_ptr()] = value
            return value

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
            step.update(phase, batch_of(real, method.draw(phase, recipe.batch_size, CPU)))
        found.append(sum(kept[each].untyped_storage().nbytes() for each in kept.keys() - weights) // 4)
    return max(found)


MEMORIES: dict[str, dict[str, Any]] = {
    "plain": {"networks": IMAGES},
    "packs": {"networks": IMAGES, "pack": 2},
    "two discriminators": {"networks": IMAGES, "objective": {"name": "d2gan"}},
    "looking ahead": {"networks": IMAGES, "unroll": 3},
    "points, looking ahead": {"unroll": 3},
    "penalised": {"networks": IMAGES, "terms": {"gradient_penalty": 1}},
    "a reference batch": {"networks": IMAGES | {"virtual_batch_norm": {"reference": 24}}},
    "no discriminator": {"networks": IMAGES, "objective": {"name": "gmmn"}, "updates": {"discriminator": 0}},
}


@pytest.mark.parametrize("name", MEMORIES)
def test_what_is_kept_for_gradients_is_estimated_within_a_factor_of_3_from_above(name: str) -> None:
    recipe = recipe_of(**MEMORIES[name])
    kept = kept_for_gradients(recipe)
    assert kept < kept_numbers(recipe, resolution_of(recipe)) < 3 * kept


def test_every_term_has_its_cost() -> None:
    assert set(work.DISCRIMINATOR_TERMS) == set(DISCRIMINATOR_TERMS)
    assert set(work.GENERATOR_TERMS) == set(GENERATOR_TERMS)
