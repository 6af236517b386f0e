"""StackGAN and StackGAN++: losses against NumPy, what a stage moves, and what neither may be given."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tests.methods.points import BASE, CPU
from tests.methods.test_conditional import method_of, softplus

from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.methods import Batch
from gantry.methods.conditional import condition_of, half_interpolated
from gantry.methods.stackgan import kl_to_normal
from gantry.methods.stackgan_pp import colour_difference
from gantry.networks.lapgan import pyramid
from gantry.plan.recipe import Recipe

IMAGES = DataShape((3, 32, 32), classes=5)
NETWORKS = {"family": "stackgan", "width": 2, "smallest": 8}
STACKGAN = {"name": "stackgan", "first": 5, "augmentation": 3, "width": 4, "kl": 0.7}
TREE = {"name": "stackgan_pp", "augmentation": 3, "width": 4, "unconditional": 0.6, "colour": 2.0}


def built(told: dict[str, Any], stage: int = 0) -> Any:
    method = method_of(told, IMAGES, networks=NETWORKS)
    method.enter(method.stages()[stage])
    return method


def batch_for(method: Any, size: int = 6) -> Batch:
    torch.manual_seed(1)
    real = torch.rand(size, 3, 32, 32) * 2 - 1
    return Batch({"x": real}, torch.arange(size) % 5, method.draw("discriminator", size, CPU))


def test_the_divergence_of_a_condition_is_that_of_a_normal() -> None:
    """The mean over numbers, times how many there are, is the sum that torch.distributions has."""
    mean, log_deviation = torch.randn(2, 7, 4, dtype=torch.float64)
    own = torch.distributions.Normal(mean, log_deviation.exp())
    true = torch.distributions.kl_divergence(own, torch.distributions.Normal(0.0, 1.0)).sum(1).mean()
    torch.testing.assert_close(4 * kl_to_normal(mean, log_deviation), true)


def test_colours_are_means_and_covariances_of_pixels() -> None:
    coarse, fine = torch.randn(2, 3, 4, 4, dtype=torch.float64), torch.randn(2, 3, 8, 8, dtype=torch.float64)
    expected = 0.0
    moments = [[image.flatten(1).numpy() for image in images] for images in (coarse, fine)]
    means = np.array([[pixels.mean(1) for pixels in levels] for levels in moments])
    covariances = np.array([[np.cov(pixels, ddof=0) for pixels in levels] for levels in moments])
    expected = np.square(means[1] - means[0]).mean() + 5 * np.square(covariances[1] - covariances[0]).mean()
    coarse.requires_grad_(True)
    fine.requires_grad_(True)
    loss = colour_difference([coarse, fine])
    assert loss.item() == pytest.approx(expected)
    loss.backward()
    assert coarse.grad is None, "the coarser image is what is to be met"
    assert fine.grad is not None


@pytest.mark.parametrize("stage", [0, 1])
def test_the_losses_of_a_stage(stage: int) -> None:
    method = built(STACKGAN, stage)
    batch, size = batch_for(method), (8, 32)[stage]
    y = condition_of(batch.labels, IMAGES)
    wrong = condition_of((batch.labels + batch.noise["further"]) % 5, IMAGES)
    assert not (wrong * y).any()
    with torch.no_grad():
        images, moments = method.generator(batch.noise["z"], y, batch.noise["augmentation"])
        real = {level.shape[-1]: level for level in pyramid(batch.x, 8)}[size]
        discriminator = method.discriminators[stage]
        right, other, made = (
            discriminator(x, told).logits.double().numpy()
            for x, told in ((real, y), (real, wrong), (images[-1], y))
        )
    assert [image.shape[-1] for image in images] == [8, 32][: stage + 1]
    expected = softplus(-right).mean() + 0.5 * (softplus(other).mean() + softplus(made).mean())
    assert method.loss("discriminator", batch).item() == pytest.approx(expected, rel=1e-5)
    mean, log_deviation = (moment.double().numpy() for moment in moments[-1])
    kl = (-log_deviation + 0.5 * (np.exp(2 * log_deviation) + mean**2 - 1)).mean()
    assert method.loss("generator", batch).item() == pytest.approx(
        softplus(-made).mean() + 0.7 * kl, rel=1e-5
    )


def test_the_losses_of_a_tree() -> None:
    method = built(TREE)
    batch = batch_for(method)
    y = condition_of(batch.labels, IMAGES)
    wrong = condition_of((batch.labels + batch.noise["further"]) % 5, IMAGES)
    noise = batch.noise["augmentation"]
    in_d = in_g = 0.0
    with torch.no_grad():
        images, ((mean, log_deviation),) = method.generator(batch.noise["z"], y, noise)
        of_wrong = method.generator.augmentation(wrong, 0 * noise)[0]
        for real, fake, discriminator in zip(pyramid(batch.x, 8), images, method.discriminators, strict=True):
            right, other, made = (
                discriminator(x, told) for x, told in ((real, mean), (real, of_wrong), (fake, mean))
            )
            pair = [output.logits.double().numpy() for output in (right, other, made)]
            alone = [discriminator.alone(output.features).double().numpy() for output in (right, made)]
            in_d += softplus(-pair[0]).mean() + softplus(pair[1]).mean() + softplus(pair[2]).mean()
            in_d += 0.6 * (2 * softplus(-alone[0]).mean() + softplus(alone[1]).mean())
            in_g += softplus(-pair[2]).mean() + 0.6 * softplus(-alone[1]).mean()
        in_g += 2.0 * kl_to_normal(mean, log_deviation).item() + 2.0 * colour_difference(images).item()
    assert [image.shape[-1] for image in images] == [8, 16, 32]
    assert method.loss("discriminator", batch).item() == pytest.approx(in_d, rel=1e-5)
    assert method.loss("generator", batch).item() == pytest.approx(in_g, rel=1e-5)


def test_a_stage_moves_its_own_networks_and_the_first_stands_still() -> None:
    method = built(STACKGAN, 1)
    batch = batch_for(method)
    before = {name: value.clone() for name, value in method.generator.first.state_dict().items()}
    method.loss("generator", batch).backward()
    after = method.generator.first.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items()), "BatchNorm's means too"
    assert all(weight.grad is None for weight in method.generator.first.parameters())
    assert all(weight.grad is not None for weight in method.generator.second.parameters())
    assert {phase.trains for phase in method.phases} == {("discriminators.1",), ("generator.second",)}


def test_a_condition_that_is_not_drawn_is_the_same_each_time() -> None:
    for drawn, told in ((True, STACKGAN), (False, STACKGAN | {"drawn": False})):
        sampler = built(told).eval().sampler(built(told).eval().kept)
        one, other = (sampler.inputs("G1", range(4), torch.Generator().manual_seed(seed)) for seed in (0, 1))
        same = [torch.equal(one[name], other[name]) for name in ("z", "augmentation")]
        assert same == [False, not drawn]
        images = sampler.sample("G1", one)
        assert images.shape == (4, 3, 32, 32)
        assert torch.equal(images, sampler.sample("8", one)), "in stage I there is but its image"


def test_half_of_the_conditions_are_means_of_two() -> None:
    mixed = half_interpolated(torch.eye(4)[[0, 1, 2, 3]])
    assert mixed.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0.5, 0.5], [0, 0, 0.5, 0.5]]


@pytest.mark.parametrize(
    ("told", "more", "message"),
    [
        (STACKGAN, {"networks": {"family": "sngan"}}, "take family stackgan"),
        (STACKGAN, {"objective": {"name": "hinge"}}, "non_saturating"),
        (TREE, {"terms": {"drift": 0.1}}, "take terms away"),
        ({"name": "conditional", "interpolated": True, "classification": {}}, {}, "for a classifier to tell"),
    ],
)
def test_what_does_not_go_together_is_refused(told: Any, more: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Recipe.model_validate(BASE | {"method": told, "networks": NETWORKS} | more)


def test_a_set_without_labels_and_a_run_without_a_second_stage_are_refused() -> None:
    with pytest.raises(UserError, match="has no labels"):
        method_of(TREE, DataShape((3, 32, 32)), networks=NETWORKS)
    recipe = Recipe.model_validate(BASE | {"method": STACKGAN, "networks": NETWORKS})
    with pytest.raises(ValueError, match="stage I takes 5 iterations"):
        recipe.method.check_workload(recipe, 32, 5)
    with pytest.raises(ValueError, match="no finer image"):
        recipe.method.check_workload(recipe, 8, 10)
