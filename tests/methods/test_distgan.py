"""Dist-GAN's losses against NumPy, whom they move, and what its two distances say of a collapsed generator."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tests.methods.points import BASE as ON_POINTS
from tests.methods.points import batch_for

from gantry.data.shape import DataShape
from gantry.methods import build_method
from gantry.objectives import build_objective
from gantry.plan.blocks.objectives import ScoreDistanceObjective, StandardObjective
from gantry.plan.recipe import Recipe

BASE = ON_POINTS | {
    "networks": {"family": "mlp", "width": 16, "depth": 2, "maxout_units": 12, "maxout_depth": 1},
    "objective": {"name": "score_distance"},
    "latent": {"dimension": 3},
}


def method_of(**options: Any) -> Any:
    torch.manual_seed(0)
    recipe = Recipe.model_validate(BASE | {"method": {"name": "distgan"} | options})
    return build_method(recipe, DataShape((2,)))


def doubles(*tensors: torch.Tensor) -> list[np.ndarray]:
    return [tensor.detach().double().numpy() for tensor in tensors]


@pytest.mark.parametrize("features", ["samples", "discriminator"])
def test_losses_are_the_papers(features: str) -> None:
    method = method_of(features=features, distances=0.7, reconstructions=0.2)
    batch = batch_for(method)
    x, z, d = batch.x, batch.noise["z"], method.adversary.discriminator
    code = method.encoder(x)[0]
    fake, rebuilt = method.generator(z), method.generator(code)
    seen = d[:-1] if features == "discriminator" else torch.nn.Identity()
    f, f_rebuilt, f_fake, e, latents = doubles(seen(x), seen(rebuilt), seen(fake), code, z)
    apart = (f_rebuilt - f_fake).mean() - np.sqrt(3 / f.shape[1]) * (e - latents).mean()
    expected = ((f - f_rebuilt) ** 2).mean() + 0.7 * apart**2
    assert method.loss("encoder", batch).item() == pytest.approx(expected, rel=1e-5)
    real, made, again = doubles(d(x), d(fake), d(rebuilt))
    log_loss = 0.8 * np.logaddexp(0, -real).mean() + 0.2 * np.logaddexp(0, -again).mean()
    assert method.loss("discriminator", batch).item() == pytest.approx(
        log_loss + np.logaddexp(0, made).mean(), rel=1e-5
    )
    scores = [(1 / (1 + np.exp(-logits))).mean() for logits in (real, made)]
    assert method.loss("generator", batch).item() == pytest.approx(abs(scores[0] - scores[1]), rel=1e-4)


@pytest.mark.parametrize("decodes", [False, True])
def test_the_autoencoder_moves_its_own_networks_alone(decodes: bool) -> None:
    first, *others = method_of(decodes=decodes).phases
    assert first.trains == (("encoder", "generator") if decodes else ("encoder",))
    assert [phase.name for phase in others] == ["discriminator", "generator"]
    assert all("encoder" not in phase.trains for phase in others)


def test_the_distance_of_scores_pulls_from_both_sides_and_rests_where_they_are_equal() -> None:
    """dL_G/dD(G(z)) has the sign of E σ(D(G(z))) − E σ(D(x)); the non-saturating loss, the control, never rests."""
    objective = build_objective(ScoreDistanceObjective(name="score_distance"))
    control = build_objective(StandardObjective(name="non_saturating"))
    real = torch.tensor([[0.3], [-0.2]])
    for shift, sign in ((-1.0, -1), (1.0, 1), (0.0, 0)):
        fake = (real + shift).requires_grad_()
        (slope,) = torch.autograd.grad(objective.generator_loss(real, [fake]), fake)
        assert torch.equal(slope.sign(), torch.full_like(slope, sign))
    fake = real.clone().requires_grad_()
    (slope,) = torch.autograd.grad(control.generator_loss(None, [fake]), fake)
    assert (slope < 0).all()


def test_a_collapsed_generator_has_an_error_that_its_encoder_cannot_mend() -> None:
    """G constant: ‖x − G(E(x))‖² is the spread around it, whatever E says; with decodes the error moves G."""
    method = method_of(features="samples", decodes=True, distances=0.0)
    with torch.no_grad():
        for weight in method.generator[-1].parameters():
            weight.zero_()
    batch = batch_for(method)
    loss = method.loss("encoder", batch)
    assert loss.item() == pytest.approx(batch.x.square().mean().item(), rel=1e-6)
    loss.backward()
    assert method.encoder.head.weight.grad.abs().max() == 0
    assert method.generator[-1].bias.grad.abs().min() > 0


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"objective": {"name": "hinge"}}, "set objective: {name: score_distance}, or non_saturating"),
        ({"pack": 2}, "pack is of a discriminator that sees samples alone"),
    ],
)
def test_what_does_not_go_together_is_refused(told: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Recipe.model_validate(BASE | {"method": {"name": "distgan"}} | told)


def test_a_gradient_penalty_goes_with_it() -> None:
    torch.manual_seed(0)
    recipe = Recipe.model_validate(
        BASE
        | {"method": {"name": "distgan"}, "terms": {"gradient_penalty": {"weight": 5.0, "points": "real"}}}
    )
    method = build_method(recipe, DataShape((2,)))
    batch = batch_for(method)
    x = batch.x.clone().requires_grad_()
    (slopes,) = torch.autograd.grad(method.adversary.discriminator(x).sum(), x)
    penalty = 5 * (slopes.norm(dim=1) - 1).square().mean().item()
    without = method_of()
    without.load_state_dict(method.state_dict())
    apart = method.loss("discriminator", batch).item() - without.loss("discriminator", batch).item()
    assert apart == pytest.approx(penalty, rel=1e-4)
