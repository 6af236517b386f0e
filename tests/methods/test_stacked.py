"""Stacked GAN: its losses against NumPy, what stands still when, and the bound of the entropy."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tests.methods.points import softplus

from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.methods import Batch, build_method
from gantry.methods.adversary import Adversary
from gantry.networks.output import DiscriminatorOutput
from gantry.plan.recipe import Recipe
from gantry.training.step import Step

CPU = torch.device("cpu")
OPTIONS = {"name": "stacked", "features": 6, "width": 8, "noise": 4, "levels_from": 5, "joint_from": 9}
RECIPE: dict[str, Any] = {
    "workload": "",
    "method": OPTIONS,
    "networks": {"family": "mlp", "width": 8, "depth": 2, "maxout_depth": 1},
    "objective": {"name": "non_saturating"},
    "latent": {"dimension": 3},
    "batch_size": 8,
}


def method_of(stage: int = 1, **options: Any) -> Any:
    torch.manual_seed(0)
    recipe = Recipe.model_validate(RECIPE | {"method": OPTIONS | options})
    method: Any = build_method(recipe, DataShape((2,), classes=3))
    method.enter(method.stages()[stage])
    return method


def batch_for(method: Any) -> Batch:
    torch.manual_seed(1)
    return Batch({"x": torch.randn(8, 2)}, torch.randint(3, (8,)), method.draw("generator", 8, CPU))


def squares(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(((a - b).detach().double().numpy() ** 2).mean())


def negative_log(logits: torch.Tensor, labels: torch.Tensor) -> float:
    said = logits.detach().double().numpy()
    return float((np.log(np.exp(said).sum(1)) - said[np.arange(len(said)), labels.numpy()]).mean())


@pytest.mark.parametrize("stage", [1, 2], ids=["each level alone", "together"])
def test_losses_are_the_papers(stage: int) -> None:
    method = method_of(stage, conditional=0.5, entropy=2.0)
    batch = batch_for(method)
    x, y, z, noise = batch.x, batch.labels, batch.noise["z"], batch.noise["z_features"]
    assert y is not None
    h, classify = method.classifier(x), method.classifier.head
    made = method.levels.features(noise, torch.nn.functional.one_hot(y, 3).float())
    given = made if stage == 2 else h
    fake = method.levels.samples(z, given)
    d_1, d_0 = (
        lambda t, of=of: of.discriminator(t, t.new_zeros(len(t), 0))
        for of in (method.of_features, method.of_samples)
    )
    entropy = 2 * (squares(d_1(made).code, noise) + squares(d_0(fake).code, z))
    game = (
        softplus(-d_1(h).logits)
        + softplus(d_1(made).logits)
        + softplus(-d_0(x).logits)
        + softplus(d_0(fake).logits)
    )
    assert method.loss("discriminator", batch).item() == pytest.approx(game + entropy, rel=1e-5)
    conditional = 0.5 * (negative_log(classify(made), y) + squares(method.classifier(fake), given))
    game = softplus(-d_1(made).logits) + softplus(-d_0(fake).logits)
    assert method.loss("generator", batch).item() == pytest.approx(game + conditional + entropy, rel=1e-5)
    assert method.loss("classifier", batch).item() == pytest.approx(negative_log(classify(h), y), rel=1e-5)


def test_features_come_from_a_frozen_encoder() -> None:
    """To the bit the same after steps of both players; its own phase moves it, and is of the first stage alone."""
    method = method_of()
    stages = method.stages()
    assert [(stage.start, stage.phases) for stage in stages] == [
        (0, ("classifier",)),
        (5, ("discriminator", "generator")),
        (9, ("discriminator", "generator")),
    ]
    batch = batch_for(method)
    before = method.classifier(batch.x)
    step = Step(method, method.recipe, CPU, stages[1])
    assert set(step.phases) == {"discriminator", "generator"}
    levels = [weight.clone() for weight in method.levels.parameters()]
    for _ in range(2):
        step.update("discriminator", batch)
        step.update("generator", batch)
    assert torch.equal(method.classifier(batch.x), before)
    assert not all(torch.equal(a, b) for a, b in zip(levels, method.levels.parameters(), strict=True))
    Step(method, method.recipe, CPU, stages[0]).update("classifier", batch)
    assert not torch.equal(method.classifier(batch.x), before)


def test_the_frozen_encoder_sees_a_sample_alike_whatever_its_batch() -> None:
    """By batches' own statistics, samples could be of any contrast and have the right features."""
    images = RECIPE | {"networks": {"family": "dcgan", "width": 2, "head": "linear"}}
    method: Any = build_method(Recipe.model_validate(images), DataShape((3, 32, 32), classes=3))
    first, alone, together = method.stages()
    torch.manual_seed(0)
    x = torch.randn(8, 3, 32, 32)
    method.enter(first)
    assert not torch.equal(method.classifier(x)[:4], method.classifier(x[:4]))  # while it learns
    for stage in (alone, together):
        method.enter(stage)
        torch.testing.assert_close(method.classifier(x)[:4], method.classifier(x[:4]))


def test_samples_move_the_generator_of_features_by_a_share_and_together_alone() -> None:
    def gradient(stage: int, through: float) -> torch.Tensor:
        method = method_of(stage, through=through)
        method.loss("generator", batch_for(method)).backward()
        found: torch.Tensor = method.levels.of_features[-1].weight.grad.clone()
        return found

    own = gradient(1, 1.0)
    torch.testing.assert_close(gradient(2, 0.0), own)
    whole, part = gradient(2, 1.0) - own, gradient(2, 0.1) - own
    torch.testing.assert_close(part, 0.1 * whole, rtol=1e-3, atol=1e-6)
    assert whole.abs().max() > 1e-3


class Linear(torch.nn.Module):
    """A discriminator that sees nothing, and a Q that takes slope·x for z."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, samples: torch.Tensor, condition: torch.Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(samples[:, :1] * 0, None, self.slope * samples)


def test_the_entropy_loss_bounds_what_samples_leave_open_of_their_noise() -> None:
    """x = z + ε, Q a Gaussian around slope·x: ½ log(2πe·error) ≥ H(z | x) = ½ log(2πe/(1 + 1/σ²)), for every slope.

    Equal at the conditional mean, slope 1/(1 + σ²); a Q that does not look leaves the whole of z.
    """
    method, deviation = method_of(entropy=1.0), 0.5
    torch.manual_seed(2)
    z = torch.randn(200_000, 1)
    x = z + deviation * torch.randn(z.shape)

    def error(slope: float) -> float:
        adversary = Adversary(Linear(slope), method.of_samples.objective)
        found: torch.Tensor = method.level_loss("generator", adversary, x, x, z)
        return found.item() - np.log(2)

    least = 1 / (1 + 1 / deviation**2)
    assert error(1 / (1 + deviation**2)) == pytest.approx(least, rel=0.02)
    assert all(error(slope) > least * 1.02 for slope in (0.4, 0.6, 1.0, 1.2))
    assert error(0.0) == pytest.approx(1, rel=0.02)


def test_classes_are_asked_in_turn() -> None:
    method = method_of()
    sampler = method.sampler(method.kept.eval())
    given = sampler.inputs("G1", range(2, 7), torch.Generator().manual_seed(0))
    assert given["labels"].tolist() == [2, 0, 1, 2, 0]
    assert sampler.sample("G1", given).shape == (5, 2)


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(
        ValidationError, match="joint_from 5: levels learn alone from levels_from 5 on: take more"
    ):
        Recipe.model_validate(RECIPE | {"method": OPTIONS | {"joint_from": 5}})
    recipe = Recipe.model_validate(RECIPE)
    with pytest.raises(ValueError, match="joint_from 9: the run has 9 iterations: take less"):
        recipe.method.check_workload(recipe, None, 9)
    with pytest.raises(UserError, match="method stacked: the data set has no classes"):
        build_method(recipe, DataShape((2,)))
