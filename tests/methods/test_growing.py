"""Growth: what holds when, what real images are shown, and moments at the borders of fades."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from gantry.data.shape import DataShape
from gantry.methods import Batch, build_method, stage_at
from gantry.plan.recipe import Recipe
from gantry.training.capture import build_step
from gantry.training.counting import count

CPU = torch.device("cpu")
# 16 from iteration 0, fading to 32 from 3 to 7, then 32.
RECIPE: dict[str, Any] = {
    "method": {"name": "growing", "first": 16, "stable": 12, "fade": 16},
    "networks": {"family": "pggan", "width": 4, "base": 64, "group": 2},
    "objective": {"name": "wasserstein"},
    "terms": {"gradient_penalty": 10.0, "drift": 0.001},
    "optimiser": {"name": "adam", "lr_g": 1e-3, "lr_d": 1e-3, "betas": [0.0, 0.99]},
    "latent": {"dimension": 4},
    "batch_size": 4,
    "ema": 0.9,
}


def recipe_of(**told: Any) -> Recipe:
    method = RECIPE["method"] | told.pop("method", {})
    return Recipe.model_validate({"workload": ""} | RECIPE | {"method": method} | told)


def method_of(**told: Any) -> Any:
    torch.manual_seed(0)
    return build_method(recipe_of(**told), DataShape((3, 32, 32)))


def test_what_holds_when() -> None:
    """Every size is stable for so many images, and the next fades in for as many: whole batches, rounded up."""
    options = recipe_of(method={"first": 4, "stable": 100, "fade": 50, "batches": {8: 16, 32: 6}}).method
    spans = options.growth(20, 32)
    told = [(span.start, span.end, span.size, span.batch_size, span.fades) for span in spans]
    assert told == [
        (0, 5, 4, 20, False),
        (5, 9, 8, 16, True),  # 50/16 rounded up
        (9, 16, 8, 16, False),
        (16, 20, 16, 16, True),
        (20, 27, 16, 16, False),
        (27, 36, 32, 6, True),
        (36, None, 32, 6, False),
    ]
    assert [spans[1].share(i) for i in range(4, 11)] == [0, 0, 0.25, 0.5, 0.75, 1, 1]
    assert spans[2].share(9) == 1


def test_real_images_are_shown_as_generated_ones_are() -> None:
    method = method_of()
    x = torch.rand(4, 3, 32, 32) * 2 - 1
    small, fading, whole = method.stages()
    method.enter(small)
    pooled = x.numpy().reshape(4, 3, 16, 2, 16, 2).mean((3, 5))
    np.testing.assert_allclose(method.shown(x), pooled, atol=1e-6)
    method.enter(fading)
    method.begin(4, CPU)  # the second of the four iterations from 3 on
    blurred = pooled.repeat(2, axis=2).repeat(2, axis=3)
    np.testing.assert_allclose(method.shown(x), 0.75 * blurred + 0.25 * x.numpy(), atol=1e-6)
    method.enter(whole)
    assert torch.equal(method.shown(x), x)


def test_the_loss_is_the_games_at_the_stages_size() -> None:
    """WGAN-GP and 0.001·E[D(x)²], with G and D at 16×16; the level that is to come takes no part."""
    method = method_of(terms={"drift": 0.5})
    method.enter(method.stages()[0])
    batch = Batch({"x": torch.rand(4, 3, 32, 32)}, None, method.draw("discriminator", 4, CPU))
    d, g = method.discriminator, method.generators[0]
    fake, real = g(batch.noise["z"]), torch.nn.functional.avg_pool2d(batch.x, 2)
    assert fake.shape == (4, 3, 16, 16)
    expected = (d(fake).mean() - d(real).mean() + 0.5 * d(real).square().mean()).item()
    loss = method.loss("discriminator", batch)
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    loss.backward()
    assert d.blocks[2][0][0].weight.grad is None and d.blocks[1][0][0].weight.grad is not None


def steps_into(method: Any, iterations: int) -> Any:
    """The step of iteration number `iterations`, after so many."""
    step = build_step(method, method.recipe, CPU, method.stages()[0])
    for iteration in range(iterations + 1):
        stage = stage_at(method.stages(), iteration)
        if stage is not step.stage:
            method.enter(stage)
            step = build_step(method, method.recipe, CPU, stage, step)
        if iteration == iterations:
            return step
        step.begin(iteration)
        for phase in step.phases:
            step.update(phase, Batch({"x": torch.rand(4, 3, 32, 32)}, None, method.draw(phase, 4, CPU)))
    return step


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("border", [3, 7])
def test_moments_begin_at_zero_with_each_beginning_and_end_of_a_fade(fresh: bool, border: int) -> None:
    method = method_of(method={"fresh": fresh})
    method.enter(method.stages()[0])
    step = steps_into(method, border)
    assert all(bool(optimiser.state) != fresh for optimiser in step.optimisers.values())
    assert step.method.generators[0].fading == (border == 3)


def test_rates_batches_and_the_average_follow_the_size() -> None:
    method = method_of(method={"batches": {32: 8}, "rates": {32: 1.5}, "half_life": 1000.0})
    small, fading, _ = method.stages()
    step = build_step(method, method.recipe, CPU, fading)
    assert step.optimisers["generator"].param_groups[0]["lr"] == pytest.approx(1.5e-3)
    assert step.sizes() == (8, 8) and step.decay == pytest.approx(0.5 ** (8 / 1000))
    assert build_step(method, method.recipe, CPU, small).decay == pytest.approx(0.5 ** (4 / 1000))


def test_what_was_grown_is_counted_span_by_span() -> None:
    def flops(recipe: Recipe, iterations: int) -> float:
        return count(recipe, DataShape((3, 32, 32))).flops(iterations)

    recipe, plain = recipe_of(), recipe_of(method={"first": 32})
    small, large = flops(recipe, 1), flops(plain, 1)
    assert 2 * small < large
    # A fade runs the layers of the smaller image too.
    assert flops(recipe, 10) == pytest.approx(3 * small + 7 * large, rel=0.02)
    assert flops(recipe, 2) == 2 * small and flops(plain, 10) == 10 * large


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "networks of one size": (
        {"networks": {"family": "dcgan"}},
        "networks.family dcgan has one size: take pggan, or method adversarial",
    ),
    "unrolled": ({"unroll": 2}, "unroll goes with networks of one size: take it away"),
    "packs": ({"pack": 2}, "pack goes with networks of one size: take it away"),
    "no such size": (
        {"method": {"batches": {24: 4}}},
        "method.batches: 24 is no size that images grow through",
    ),
    "torn groups": (
        {"networks": RECIPE["networks"] | {"group": 4}, "method": {"batches": {32: 6}}},
        "method.batches.32 6 does not fall into groups of networks.group 4: take 8",
    ),
    "torn shares": (
        {"networks": RECIPE["networks"] | {"group": 4}, "batch_size": 12, "processes": 2},
        "batch_size 12 does not fall into groups of networks.group 4 in each of 2 processes: take 16",
    ),
    "no average": (
        {"ema": 0.0, "method": {"half_life": 10.0}},
        "method.half_life is of the average: set ema",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_go_together_is_refused(name: str) -> None:
    told, message = REFUSED[name]
    with pytest.raises(ValidationError, match=message):
        recipe_of(**told)


@pytest.mark.parametrize(
    ("resolution", "iterations", "message"),
    [
        (8, 100, "first: 16 is larger than the images, of 8 pixels a side: take 8 or less"),
        (
            64,
            14,
            "the sizes before 64 take 14 iterations, and the run has 14: lengthen the workload, or shorten",
        ),
    ],
)
def test_what_does_not_go_with_the_workload_is_refused(
    resolution: int, iterations: int, message: str
) -> None:
    recipe = recipe_of()
    with pytest.raises(ValueError, match=message):
        recipe.method.check_workload(recipe, resolution, iterations)
    recipe.method.check_workload(recipe, 64, 15)
