"""SinGAN: sizes by hand, what moves at which scale, amplitudes, losses, and what a sample begins with."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from gantry.data.shape import DataShape
from gantry.methods import Batch, build_method, stage_at
from gantry.methods.singan import slopes
from gantry.networks.singan import resized
from gantry.plan.recipe import Recipe
from gantry.training.step import Step

CPU = torch.device("cpu")
RECIPE: dict[str, Any] = {
    "workload": "",
    "method": {"name": "singan", "coarsest": 18, "rounds": 5},
    "networks": {"family": "singan", "width": 4},
    "objective": {"name": "wasserstein"},
    "optimiser": {"name": "adam", "lr_g": 5e-4, "lr_d": 5e-4, "betas": [0.5, 0.999]},
    "batch_size": 2,
}


def recipe_of(**told: Any) -> Recipe:
    method = RECIPE["method"] | told.pop("method", {})
    return Recipe.model_validate(RECIPE | {"method": method} | told)


def method_of(**told: Any) -> Any:
    torch.manual_seed(0)
    return build_method(recipe_of(**told), DataShape((3, 32, 32))).train()


def picture() -> torch.Tensor:
    torch.manual_seed(5)
    return (torch.rand(1, 3, 32, 32) * 2 - 1).expand(2, -1, -1, -1)


def trained(method: Any, iterations: int) -> Step:
    """The step after so many iterations."""
    step: Step | None = None
    for iteration in range(iterations):
        stage = stage_at(method.stages(), iteration)
        if step is None or stage is not step.stage:
            method.enter(stage)
            step = Step(method, method.recipe, CPU, stage, step)
        for phase in step.phases:
            step.update(phase, Batch({"x": picture()}, None, method.draw(phase, 2, CPU)))
    assert step is not None
    return step


def test_sizes_are_those_of_the_authors_code() -> None:
    """Factor 0.75 moved so that the coarsest has 25 pixels: at 64 four steps of (25/64)^¼ = 0.79; at 250 nine."""
    options = recipe_of(method={"coarsest": 25}).method
    assert options.sizes(64) == [25, 32, 40, 51, 64]
    assert options.sizes(250) == [25, 33, 42, 54, 70, 90, 117, 150, 194, 250]
    assert recipe_of().method.sizes(32) == [18, 24, 32]


def test_each_scale_has_its_rounds_and_its_rates_drop_near_their_end() -> None:
    told = [(stage.start, stage.scale, stage.rate, stage.fresh) for stage in method_of().stages()]
    assert told == [
        (0, 0, 1.0, True), (4, 0, 0.1, False), (5, 1, 1.0, True), (9, 1, 0.1, False), (10, 2, 1.0, True),
        (14, 2, 0.1, False),
    ]  # fmt: skip


def test_scales_that_are_done_keep_their_bits_and_a_new_one_starts_from_them() -> None:
    method = method_of()
    trained(method, 5)
    first = {name: value.clone() for name, value in method.scales.generators[0].state_dict().items()}
    method.enter(method.stages()[2])
    for name, value in method.scales.generators[1].state_dict().items():
        assert torch.equal(value, first[name]), "it is as wide, so it starts as the scale before ended"
    before = {name: value.clone() for name, value in method.scales.generators[2].state_dict().items()}
    method = method_of()
    trained(method, 9)
    now = method.scales.generators[0].state_dict()
    assert all(torch.equal(now[name], value) for name, value in first.items()), "weights and statistics"
    moved = method.scales.generators[1].state_dict()
    assert not torch.equal(moved["layers.0.weight"], first["layers.0.weight"])
    assert all(
        torch.equal(value, before[name]) for name, value in method.scales.generators[2].state_dict().items()
    )


def test_a_scales_amplitude_is_a_tenth_of_the_error_of_those_below() -> None:
    method = method_of()
    trained(method, 7)
    scales = method.scales
    rebuilt = scales.step(0, None, scales.fixed, 1)
    target = resized(picture(), 24)[:1]
    error = (resized(rebuilt, 24) - target).square().mean().sqrt()
    assert scales.amplitudes[1].item() == pytest.approx(0.1 * error.item(), rel=1e-5)
    assert scales.amplitudes[0] == 1 and scales.amplitudes[2] == 0


@pytest.mark.parametrize("scale", [0, 1])
def test_losses_are_the_papers(scale: int) -> None:
    method = method_of()
    trained(method, 5 * scale + 1)
    batch = Batch({"x": picture()}, None, method.draw("generator", 2, CPU))
    d, scales, noise = method.discriminators[scale], method.scales, batch.noise
    size = [18, 24][scale]
    real = resized(batch.x, size)
    method.loss("generator", batch)  # sets the amplitude
    below = None if scale == 0 else scales.step(0, None, noise["noise_0"], 2)
    fake = scales.step(scale, below, noise[f"noise_{scale}"], 2)
    rebuilt_below = None if scale == 0 else scales.step(0, None, scales.fixed, 1)
    rebuilt = scales.step(scale, rebuilt_below, scales.fixed if scale == 0 else None, 1)
    between = real + noise["share"] * (fake - real)
    expected_d = (d(fake).mean() - d(real).mean() + 0.1 * slopes(d, between)).item()
    expected_g = (10 * (rebuilt - real[:1]).square().mean() - d(fake).mean()).item()
    assert method.loss("discriminator", batch).item() == pytest.approx(expected_d, rel=1e-4, abs=1e-5)
    assert method.loss("generator", batch).item() == pytest.approx(expected_g, rel=1e-4, abs=1e-5)


def test_slopes_are_of_each_pixel_over_its_channels() -> None:
    method = method_of()
    discriminator = method.discriminators[0].double()
    images = torch.randn(2, 3, 13, 13, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(discriminator.map(images).sum(), images)
    norms = np.sqrt((gradient.numpy() ** 2).sum(1))
    assert slopes(discriminator, images).item() == pytest.approx(((norms - 1) ** 2).mean(), rel=1e-9)


def test_windows_have_eleven_pixels() -> None:
    discriminator = method_of().discriminators[0].eval()
    image = torch.zeros(1, 3, 31, 31)
    touched = image.clone()
    touched[0, 0, 15, 15] = 1
    changed = (discriminator.map(touched) - discriminator.map(image)).abs()[0, 0] > 0
    rows = changed.any(1).nonzero().flatten().tolist()
    assert changed.shape == (21, 21) and (rows[0], rows[-1]) == (5, 15)


def test_samples_begin_with_noise_or_with_the_rebuilt_picture() -> None:
    method = method_of()
    trained(method, 15)
    sampler = method.sampler(method.kept.eval())
    given = sampler.inputs("G1", range(4), torch.Generator().manual_seed(0))
    whole, fine = (sampler.sample(source, given) for source in ("G1", "fine"))
    assert whole.shape == fine.shape == (4, 3, 32, 32)
    assert whole.std(0).mean() > fine.std(0).mean(), "what begins at a finer scale differs less"
    still = {name: torch.zeros_like(value) for name, value in given.items()}
    rebuilt = sampler.reconstruct(torch.zeros(4, 3, 32, 32))
    torch.testing.assert_close(sampler.sample("fine", still), rebuilt)
    expected = method.scales.step(2, method.scales.rebuilt(2), None, 1)
    torch.testing.assert_close(rebuilt[:1], expected)


def test_before_the_last_scale_samples_are_enlarged() -> None:
    method = method_of()
    trained(method, 3)
    sampler = method.sampler(method.kept.eval())
    given = sampler.inputs("G1", range(2), torch.Generator().manual_seed(0))
    small = method.scales.step(0, None, given["noise_0"], 2)
    torch.testing.assert_close(sampler.sample("G1", given), resized(small, 32))


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"networks": {"family": "dcgan"}}, "networks.family dcgan has no scales: take family singan"),
        (
            {"objective": {"name": "hinge"}},
            "is played with Wasserstein losses: set objective: {name: wasserstein}",
        ),
        ({"ema": 0.9}, "losses of its own: take ema away"),
        ({"terms": {"drift": 0.1}}, "losses of its own: take terms away"),
        ({"method": {"coarsest": 9}}, "greater than or equal to 12"),
    ],
)
def test_what_does_not_go_together_is_refused(told: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        recipe_of(**told)


def test_what_does_not_go_with_the_workload_is_refused() -> None:
    recipe = recipe_of()
    recipe.method.check_workload(recipe, 32, 11)
    with pytest.raises(ValueError, match="the scales before the last take 10 iterations, and the run has 10"):
        recipe.method.check_workload(recipe, 32, 10)
    with pytest.raises(ValueError, match="coarsest: 18 leaves no scale below 16 pixels a side"):
        recipe.method.check_workload(recipe, 16, 100)
