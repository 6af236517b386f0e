"""MRGAN's losses against NumPy, whom they move, and what its modes are held by."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from tests.methods.points import BASE, CPU, batch_for, softplus

from gantry.data.shape import DataShape
from gantry.methods import Batch, build_method
from gantry.plan.recipe import Recipe


def method_of(**options: Any) -> Any:
    torch.manual_seed(0)
    recipe = Recipe.model_validate(BASE | {"method": {"name": "mrgan"} | options})
    return build_method(recipe, DataShape((2,)))


def test_losses_are_the_papers() -> None:
    method = method_of(reconstruction=0.3, realism=0.7)
    batch = batch_for(method)
    d, fake = method.adversary.discriminator, method.generator(batch.noise["z"])
    rebuilt = method.generator(method.encoder(batch.x)[0])
    distance = float(((batch.x - rebuilt).detach().double().numpy() ** 2).sum(1).mean())
    expected = softplus(-d(fake)) + 0.3 * distance + 0.7 * softplus(-d(rebuilt))
    assert method.loss("generator", batch).item() == pytest.approx(expected, rel=1e-5)
    assert method.loss("discriminator", batch).item() == pytest.approx(
        softplus(-d(batch.x)) + softplus(d(fake)), rel=1e-5
    )


def test_the_encoder_is_moved_by_reconstructions_alone_and_the_generator_by_both() -> None:
    """∂L/∂E is that of λ₁·distance + λ₂·loss on G(E(x)): z does not matter to it."""
    method = method_of()
    batch = batch_for(method)

    def gradients(noise: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        method.zero_grad()
        method.loss("generator", Batch(batch.data, None, noise)).backward()
        of_generator = next(method.generator.parameters()).grad.clone()
        return method.encoder.head.weight.grad.clone(), of_generator

    one, other = gradients(dict(batch.noise)), gradients(method.draw("generator", 8, CPU))
    torch.testing.assert_close(one[0], other[0])
    assert one[0].abs().sum() > 0 and not torch.allclose(one[1], other[1])


def test_a_generator_that_leaves_a_mode_out_is_pulled_there_where_d_is_flat() -> None:
    """D constant: the game's gradient is 0 everywhere, and the reconstruction of far samples is not."""
    method = method_of(realism=0.0)
    with torch.no_grad():
        for weight in method.adversary.discriminator.parameters():
            weight.zero_()
    batch = Batch({"x": torch.full((8, 2), 5.0)}, None, method.draw("generator", 8, CPU))
    last = list(method.generator.parameters())[-1]
    method.zero_grad()
    method.loss("generator", batch).backward()
    assert (last.grad < 0).all(), "descent moves samples towards the mode at (5, 5)"
    method.zero_grad()
    fake = method.generator(batch.noise["z"])
    method.adversary.generator_loss(batch.x, [fake], method.generator).backward()
    assert last.grad is None or last.grad.abs().max() == 0, "the game alone moves nothing: the control"


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (
            {"method": {"name": "mrgan", "reconstruction": 0, "realism": 0}},
            "the encoder learns nothing: give one",
        ),
        ({"method": {"name": "mrgan"}, "pack": 2}, "pack is of a discriminator that sees samples alone"),
    ],
)
def test_what_does_not_go_together_is_refused(told: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Recipe.model_validate(BASE | told)
