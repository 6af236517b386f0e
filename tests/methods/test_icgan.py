"""IcGAN: whom its encoders move, when, and what an edit keeps; and the cycle of latents beside VAEGAN's losses."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tests.methods.points import BASE, CPU
from torch.nn.functional import one_hot

from gantry.data.shape import DataShape
from gantry.methods import Batch, build_method
from gantry.plan.recipe import Recipe

RECIPE: dict[str, Any] = BASE | {
    "method": {"name": "icgan", "encoders_from": 6},
    "networks": {"family": "mlp", "width": 8, "depth": 2, "maxout_depth": 1},
    "latent": {"dimension": 3},
}


def method_of(attributes: bool = False, **told: Any) -> Any:
    torch.manual_seed(0)
    shape = DataShape((2,), attributes=4) if attributes else DataShape((2,), classes=3)
    return build_method(Recipe.model_validate(RECIPE | told), shape)


def batch_for(method: Any) -> Batch:
    torch.manual_seed(1)
    labels = torch.randint(3, (8,)) if method.data.classes else torch.randint(2, (8, 4))
    return Batch({"x": torch.randn(8, 2)}, labels, method.draw("encoder", 8, CPU))


@pytest.mark.parametrize("attributes", [False, True])
def test_the_encoders_loss_is_of_latents_of_samples_and_labels_of_real_ones(attributes: bool) -> None:
    method = method_of(attributes)
    batch = batch_for(method)
    samples = method.generator(batch.noise["z"], method.asked(batch))
    codes, said = (
        e.detach().double().numpy() for e in (method.of_latents(samples)[0], method.of_conditions(batch.x)[0])
    )
    of_latents = ((codes - batch.noise["z"].double().numpy()) ** 2).mean()
    labels = batch.labels.numpy()
    if attributes:
        of_labels = (np.logaddexp(0, said) - labels * said).mean()
    else:
        of_labels = (np.log(np.exp(said).sum(1)) - said[np.arange(8), labels]).mean()
    assert method.loss("encoder", batch).item() == pytest.approx(of_latents + of_labels, rel=1e-5)


def test_the_encoders_learn_when_the_game_is_finished_and_move_nothing_of_it() -> None:
    method = method_of()
    game, encoders = method.stages()
    assert (game.start, game.phases) == (0, ("discriminator", "generator"))
    assert (encoders.start, encoders.phases) == (6, ("encoder",))
    method.loss("encoder", batch_for(method)).backward()
    moved = {name for name, weight in method.named_parameters() if weight.grad is not None}
    assert moved and all(name.startswith(("of_latents", "of_conditions")) for name in moved)


def test_of_exact_encoders_an_edit_is_what_the_same_latent_makes_of_the_other_class() -> None:
    """G(z, y) = A(z + y), E_z told the shift: the reconstruction is the sample itself; an edit, its shift alone."""
    torch.manual_seed(0)
    method = method_of(latent={"dimension": 2})
    sampler = method.sampler(method.kept.eval())
    matrix, shifts = (
        torch.randn(2, 2) + 2 * torch.eye(2),
        torch.tensor([[20.0, 0.0], [0.0, 20.0], [-20.0, 0.0]]),
    )
    z, labels = torch.randn(6, 2), torch.arange(6) % 3

    def generate(z: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        return (z + condition @ shifts) @ matrix.T

    condition = one_hot(labels, 3).float()
    real = generate(z, condition)
    inverse = torch.linalg.inv(matrix).T
    # The modules stay, so that the sampler knows where its networks are.
    sampler.generator.forward = generate
    sampler.of_conditions.forward = lambda x: (-((x @ inverse)[:, None] - shifts).square().sum(-1),)
    sampler.of_latents.forward = lambda x: (x @ inverse - sampler.condition(x) @ shifts,)
    assert torch.equal(sampler.classify(real).argmax(1), labels)
    torch.testing.assert_close(sampler.encode(real), z, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(sampler.reconstruct(real), real, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(
        sampler.edited(real, condition.roll(1, 0)), generate(z, condition.roll(1, 0)), atol=1e-3, rtol=1e-3
    )
    assert {"encode", "reconstruct", "classify"} <= sampler.can


def test_the_cycle_of_latents_is_a_weighted_summand_of_both_networks_and_of_no_discriminator() -> None:
    recipe = RECIPE | {"method": {"name": "vaegan", "gamma": 0.5, "features": "pixels"}}

    def parts(weight: float) -> tuple[Any, Any]:
        torch.manual_seed(0)
        told = recipe | {"method": recipe["method"] | {"latent_cycle": weight}}
        method: Any = build_method(Recipe.model_validate(told), DataShape((2,)))
        torch.manual_seed(1)
        batch = Batch({"x": torch.randn(8, 2)}, None, method.draw("generator", 8, CPU))
        return method, [output.loss.item() for output in method.loss("generator", batch)] + [
            method.loss("discriminator", batch).item(),
            ((method.encoder(method.generator(batch.noise["z"]))[0] - batch.noise["z"]) ** 2)
            .sum(1)
            .mean()
            .item(),
        ]

    (_, without), (_, with_it) = parts(0.0), parts(3.0)
    error = without[3]
    assert with_it[0] - without[0] == pytest.approx(3 * error, rel=1e-4)
    assert with_it[1] - without[1] == pytest.approx(0.5 * 3 * error, rel=1e-4)
    assert with_it[2] == without[2]


def test_what_does_not_go_together_is_refused() -> None:
    recipe = Recipe.model_validate(RECIPE)
    recipe.method.check_workload(recipe, None, 7)
    with pytest.raises(
        ValueError, match="encoders_from 6: the run has 6 iterations, and leaves the encoders none"
    ):
        recipe.method.check_workload(recipe, None, 6)
    with pytest.raises(ValidationError, match="encoders_from"):
        Recipe.model_validate(RECIPE | {"method": "icgan"})
