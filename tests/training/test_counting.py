"""What is counted without numbers against arithmetic by hand, and against what PyTorch runs and allocates."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.games import batch_of, method_of
from tests.training.toy import RECIPE as STAGED
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from gantry.data.shape import DataShape
from gantry.plan import Plan, load_plan
from gantry.plan.costs import shape_of
from gantry.plan.recipe import Recipe
from gantry.training.counting import Counter, count
from gantry.training.step import Step

CPU = torch.device("cpu")
MLP = {"family": "mlp", "width": 16, "depth": 2, "maxout_units": 16, "maxout_pieces": 3, "maxout_depth": 2}
REBUILT = {"family": "mlp_autoencoder", "width": 16, "depth": 2}
IMAGES = {"family": "dcgan", "width": 4, "head": "linear", "spectral_norm": False}
NEURAL = {"weight": 1, "estimator": "neural", "width": 8}


@pytest.fixture(scope="module")
def plan() -> Plan:
    return load_plan({"scale": "paper", "seeds": [0]}, Path(__file__).resolve().parents[2])


def flops(recipe: Recipe, resolution: int | None) -> float:
    return count(recipe, DataShape((2,) if resolution is None else (3, resolution, resolution))).flops(1)


def test_bcgan_on_points_takes_4_gflop_an_iteration(plan: Plan) -> None:
    generator = 128 * 400 + 3 * 400 * 400 + 400 * 2
    discriminator = 2 * 1000 + 2 * 200 * 1000 + 200 * 5
    # One update of D: two generators forward, D forward and backward on three batches.
    update_d = 2 * generator + 3 * (3 * discriminator - 2 * 1000)
    # Three of the generators: forward and backward; D forward and backward to its input; D on a real batch.
    update_g = 2 * (3 * generator - 128 * 400) + 2 * 2 * discriminator + discriminator
    assert flops(plan.recipes["synthetic_bcgan"], None) == 2 * 100 * (update_d + 3 * update_g)
    shifted = flops(plan.recipes["synthetic_shifted_latent"], None)
    assert shifted == flops(plan.recipes["synthetic_bcgan"], None), "a second view is as a second generator"


def test_images_of_256_take_a_teraflop_an_iteration(plan: Plan) -> None:
    # Every level but the outermost halves the pixels and doubles both numbers of channels: equal work.
    level = 1024 * 512 * 4 * 4 * 4 * 4
    convolutions = 5 * level + 32 * 3 * 4 * 4 * 128 * 128
    generator = 128 * 1024 * 4 * 4 + convolutions
    discriminator = convolutions + 1024 * 4 * 4 * 51 * 2
    of_g, of_d = 128 * 1024 * 4 * 4, 32 * 3 * 4 * 4 * 128 * 128  # the first layers
    bcgan = (2 * generator + 9 * discriminator - 3 * of_d) + (6 * generator - 2 * of_g + 5 * discriminator)
    assert flops(plan.recipes["bcgan"], 256) == 2 * 32 * bcgan == pytest.approx(0.978e12, rel=1e-3)


class Seen(TorchDispatchMode):
    """Floating-point operations of kernels that really run."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if func._overloadpacket is torch.ops.mkldnn._linear_pointwise:  # PyTorch has no formula for it
            self.flops += 2 * args[1].shape[1] * made.numel()
        elif formula is not None:
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


def side_of(recipe: Recipe) -> int | None:
    return None if recipe.networks.makes == "points" else 32


def step_of(recipe: Recipe) -> Step:
    side = side_of(recipe)
    torch.manual_seed(0)
    method = method_of(recipe, (2,) if side is None else (3, side, side)).train()
    method.begin(0, CPU)
    return Step(method, recipe, CPU)


def run(step: Step, phase: str) -> None:
    side, size = side_of(step.recipe), step.recipe.batch_size
    real = torch.rand(size, *((2,) if side is None else (3, side, side))) * 2 - 1
    step.update(phase, batch_of(real, step.method.draw(phase, size, CPU)))


UPDATES: dict[str, dict[str, Any]] = {
    "two generators": {"generators": 2, "terms": {"logit_agreement": 1, "sample_spread": 1}},
    "images": {"networks": IMAGES},
    "energies": {"networks": REBUILT, "objective": {"name": "began"}},
    "relative to a real batch": {"objective": {"name": "realness", "atoms": 5}},
    "D2GAN, 5 to 2": {"objective": {"name": "d2gan"}, "updates": {"discriminator": 5, "generator": 2}},
    "packed images": {"pack": 2, "networks": IMAGES},
    "GMMN": {"objective": {"name": "gmmn"}, "updates": {"discriminator": 0}},
    "MMD-GAN": {"objective": {"name": "mmd_gan", "outputs": 4}, "generators": 2},
    "unrolled further, with two generators": {"unroll": 3, "generators": 2},
    "a reference batch": {"networks": MLP | {"virtual_batch_norm": {"reference": 5}}, "generators": 2},
    "orthogonality": {"terms": {"orthogonal_regularisation": 1}, "generators": 2},
    "entropy distance": {"terms": {"entropy_distance": 1}, "generators": 2},
    "neural entropy distance": {"terms": {"entropy_distance": NEURAL}},
    "R1, images": {
        "networks": IMAGES,
        "terms": {"gradient_penalty": {"weight": 10, "points": "real", "center": 0}},
    },
    "SAGAN": {"networks": {"family": "sagan", "width": 8}, "terms": {"gradient_penalty": 10}},
    "feature matching": {"terms": {"feature_matching": 1}, "generators": 2},
}


@pytest.mark.parametrize("name", UPDATES)
def test_what_is_counted_is_what_a_step_runs(name: str) -> None:
    recipe = recipe_of(**UPDATES[name])
    step = step_of(recipe)
    with Seen() as seen:
        for phase in step.phases.values():
            for _ in range(phase.repeat):
                run(step, phase.name)
    assert flops(recipe, side_of(recipe)) == seen.flops


def test_calls_are_of_what_computes_and_move_what_they_read_and_write() -> None:
    a, b = torch.zeros(4, 5), torch.zeros(5, 3)
    with torch.no_grad(), Counter() as counter:
        product = a.view(20).view(4, 5) @ b
        product.relu()
        product.add_(1)
        product[0].t()
    assert counter.calls == 3, "views cost nothing"
    assert counter.moved == 4 * ((20 + 15 + 12) + (12 + 12) + (12 + 12))


def peak_of(step: Step, phase: str) -> int:
    """The most bytes that a step had allocated at once, by PyTorch's profiler."""
    with torch.profiler.profile(profile_memory=True) as profiler:
        run(step, phase)
    now = most = 0
    for event in sorted(profiler.profiler.kineto_results.events(), key=lambda timed: timed.start_ns()):  # type: ignore[union-attr]
        if event.name() == "[memory]":
            now += event.nbytes()
            most = max(most, now)
    return most


MEMORIES: dict[str, dict[str, Any]] = {
    "DCGAN": {"networks": IMAGES},
    "DCGAN, wider": {"networks": IMAGES | {"width": 16}},
    "packs": {"networks": IMAGES, "pack": 2},
    "two generators": {"networks": IMAGES, "generators": 2},
    "D2GAN": {"networks": IMAGES, "objective": {"name": "d2gan"}},
    "looking ahead": {"networks": IMAGES, "unroll": 3},
    "penalised": {"networks": IMAGES, "terms": {"gradient_penalty": 1}},
    "residual": {"networks": {"family": "resnet", "width": 8}},
    "by halves": {"networks": {"family": "dcgan32", "width": 8}},
    "GMMN": {"networks": IMAGES, "objective": {"name": "gmmn"}, "updates": {"discriminator": 0}},
}


@pytest.mark.parametrize("name", MEMORIES)
def test_bytes_alive_at_once_are_those_that_a_step_allocates(name: str) -> None:
    recipe = recipe_of(**MEMORIES[name])
    step = step_of(recipe)
    for phase in step.phases:  # the optimisers' moments, and oneDNN's first looks
        run(step, phase)
    measured = max(peak_of(step, phase) for phase in step.phases)
    counted = count(recipe, DataShape((3, 32, 32))).bytes
    assert 0.7 * measured < counted < 1.4 * measured


STATES: dict[str, dict[str, Any]] = {
    "two discriminators, averaged": {"objective": {"name": "d2gan"}, "ema": 0.9},
    "optimistic": {"optimiser": {"name": "oadam"}, "generators": 2},
    "plain descent": {"optimiser": {"name": "sgd"}, "terms": {"historical_averaging": 1}},
    "with momentum": {"optimiser": {"name": "sgd", "momentum": 0.5}},
    "rmsprop": {"optimiser": {"name": "rmsprop"}},
}


@pytest.mark.parametrize("name", STATES)
def test_the_state_holds_as_many_numbers_as_are_counted(name: str) -> None:
    recipe = recipe_of(**STATES[name])
    step = step_of(recipe)
    for phase in step.phases:
        run(step, phase)
    held = [*step.method.state_dict().values()]
    held += [] if step.average is None else [*step.average.module.state_dict().values()]
    for optimiser in step.optimisers.values():
        held += [moment for state in optimiser.state_dict()["state"].values() for moment in state.values()]
    # Adam's own counts of steps, a number each weight, are left out.
    numbers = sum(moment.numel() for moment in held if isinstance(moment, torch.Tensor) and moment.dim())
    assert count(recipe, DataShape((2,))).state == pytest.approx(numbers, abs=10)


def test_stages_are_counted_one_by_one_and_summed_over_a_run() -> None:
    cost = count(Recipe.model_validate({"workload": ""} | STAGED), DataShape((3, 16, 16), 9))
    first, second = cost.stages
    assert first.start == 0 < second.start and 0 < first.flops != second.flops
    both = second.start * first.flops + 3 * second.flops
    assert cost.flops(second.start + 3) == both
    assert cost.flops(2) == 2 * first.flops


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_nothing_is_computed_and_nothing_drawn(precision: str) -> None:
    before = torch.get_rng_state()
    large = recipe_of(networks={"family": "dcgan", "width": 512}, precision=precision)
    assert count(large, DataShape((3, 256, 256))).weights > 1e9, "4 GB that nobody allocates"
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    "name",
    [
        "points_cgan_joined",
        "points_infogan",
        "pictures_semi_supervised",
        "points_bigan",
        "points_latent_regressor",
        "pictures_vaegan",
        "pictures_projection",
    ],
)
def test_methods_with_labels_and_encoders_are_counted(name: str) -> None:
    found = load_plan(
        {"scale": "smoke", "papers": ["conditional", "encoders"]}, Path(__file__).resolve().parents[2]
    )
    recipe = found.recipes[name]
    side = found.workloads[recipe.workload].resolution
    cost = count(recipe, DataShape((2,) if side is None else (3, side, side), 10))
    assert cost.flops(1) > 0 and cost.bytes > 0 and cost.kept <= cost.state


@pytest.mark.parametrize(
    ("scale", "paper", "name", "sources"),
    [
        ("smoke", "translation", "points_combogan", 12),  # draws on the host; four domains
        ("paper", "translation", "faces_stargan", 1),  # names attributes
        ("paper", "translation", "pictures_combogan", 12),  # names classes
        ("paper", "conditional", "pictures_s2gan", 1),  # infers labels
        ("paper", "conditional", "pictures_clusters", 1),
        ("smoke", "scales", "lapgan_digits", 3),  # levels
        ("smoke", "scales", "singan", 2),
        ("smoke", "scales", "pggan_digits", 1),  # reads how far it has grown
        ("smoke", "bcgan", "bcgan", 2),
    ],
)
def test_what_asks_much_of_its_data_is_counted_before_there_are_any(
    scale: str, paper: str, name: str, sources: int, tmp_path: Path
) -> None:
    found = load_plan(
        {"scale": scale, "papers": [paper], "results": str(tmp_path)},
        Path(__file__).resolve().parents[2],
    )
    run = next(run for run in found.runs.values() if run.recipe_name == name)
    cost = count(run.recipe, DataShape.from_json(shape_of(found, run)))
    assert cost.flops(1) > 0 and cost.state > 0 and cost.bytes > 0
    assert cost.sources == sources
