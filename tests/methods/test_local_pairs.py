"""Local pairs and a global one: the losses against NumPy, whom nobody else moves, and what messengers carry."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from tests.methods.points import BASE, CPU, batch_for, softplus

from gantry.data.shape import DataShape
from gantry.methods import Batch, build_method
from gantry.plan.recipe import Recipe
from gantry.training.step import Step

RECIPE: dict[str, Any] = BASE | {
    "method": {"name": "local_pairs", "pairs": 2},
    "networks": {"family": "mlp", "width": 8, "depth": 2, "maxout_depth": 1},
    "latent": {"dimension": 3},
}


def method_of(**told: Any) -> Any:
    torch.manual_seed(0)
    return build_method(Recipe.model_validate(RECIPE | told), DataShape((2,)))


def different(method: Any) -> Any:
    """The method, its messengers unlike their discriminators."""
    torch.manual_seed(2)
    with torch.no_grad():
        for weight in method.messengers.parameters():
            weight.normal_()
    return method


def test_losses_are_those_of_all_games() -> None:
    method = different(method_of())
    batch = batch_for(method)
    x, (fake, *fakes) = batch.x, [g(z) for g, z in zip(method.generators, batch.noise.values(), strict=True)]
    local, messengers = (
        [adversary.discriminator for adversary in of] for of in (method.local, method.messengers)
    )
    above = method.of_all.discriminator
    own = sum(softplus(-d(x)) + softplus(d(samples)) for d, samples in zip(local, fakes, strict=True))
    expected = own + softplus(-above(x)) + sum(softplus(above(made)) for made in fakes) / 2
    assert method.loss("discriminator", batch).item() == pytest.approx(expected, rel=1e-5)
    expected = sum(softplus(-d(x)) + softplus(d(fake)) for d in messengers)
    assert method.loss("messenger", batch).item() == pytest.approx(expected, rel=1e-5)
    own = sum(softplus(-d(samples)) for d, samples in zip(local, fakes, strict=True))
    expected = own + sum(softplus(-d(fake)) for d in messengers) / 2
    assert method.loss("generator", batch).item() == pytest.approx(expected, rel=1e-5)


def trained(method: Any, spoiled: bool) -> dict[str, torch.Tensor]:
    """The weights of the local pairs after four iterations, those of the global pair being others where `spoiled`."""
    if spoiled:
        torch.manual_seed(3)
        with torch.no_grad():
            for network in (method.generators[0], method.of_all):
                for weight in network.parameters():
                    weight.normal_()
    step = Step(method, method.recipe, CPU)
    torch.manual_seed(4)
    for _ in range(4):
        for phase in method.phases:
            step.update(phase.name, Batch({"x": torch.randn(8, 2)}, None, method.draw(phase.name, 8, CPU)))
    return {
        name: value.clone()
        for name, value in method.state_dict().items()
        if name.startswith(("local.", "generators.1.", "generators.2."))
    }


def test_the_local_pairs_play_as_if_nobody_else_were_there() -> None:
    """To the bit, whatever the global pair is; D_0 learns from them, G_0 from their messengers, they from neither."""
    clean, spoiled = trained(method_of(), False), trained(method_of(), True)
    assert clean.keys() == spoiled.keys() and len(clean) > 10
    assert all(torch.equal(value, spoiled[name]) for name, value in clean.items())


def test_a_messenger_is_its_discriminator_until_it_has_met_the_global_generator() -> None:
    method = different(method_of())
    step, batch = Step(method, method.recipe, CPU), batch_for(method)

    def apart() -> list[float]:
        return [
            max(
                float((a - b).detach().abs().max())
                for a, b in zip(m.parameters(), d.parameters(), strict=True)
            )
            for m, d in zip(method.messengers, method.local, strict=True)
        ]

    assert min(apart()) > 0.1
    step.update("discriminator", batch)
    assert apart() == [0, 0]
    before = [weight.clone() for weight in method.local.parameters()]
    step.update("messenger", batch)
    assert min(apart()) > 0
    assert all(torch.equal(a, b) for a, b in zip(before, method.local.parameters(), strict=True))


def test_the_global_generator_stands_for_the_method() -> None:
    method = method_of()
    sampler = method.sampler(method.kept.eval())
    assert sampler.sources == ("G1", "G2", "G3") and not sampler.mixed
    z = sampler.inputs("G1", range(2), torch.Generator().manual_seed(0))
    assert torch.equal(sampler.sample("G1", z), method.generators[0](z["z"]))


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(ValidationError, match="generators is of a discriminator that sees samples alone"):
        Recipe.model_validate(RECIPE | {"generators": 2})


def test_the_generators_take_as_many_steps_as_the_recipe_says() -> None:
    repeats = {phase.name: phase.repeat for phase in method_of(updates={"generator": 2}).phases}
    assert repeats == {"discriminator": 1, "messenger": 1, "generator": 2}


def test_terms_of_discriminators_alone_are_taken() -> None:
    told = {"weight": 1e-4, "players": ["discriminator"]}
    assert method_of(terms={"orthogonal_regularisation": told})
    with pytest.raises(ValidationError, match=r"has no place for it.*players: \[discriminator\]"):
        method_of(terms={"orthogonal_regularisation": 1e-4})
