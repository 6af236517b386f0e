"""Coupled GANs: what is shared is the same, what is not is two games, and pairs are scored against the truth."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tests.methods.points import BASE as ON_POINTS

from gantry.data import open_prepared, prepare
from gantry.data.shape import DataShape
from gantry.evaluation.asked import AskedScorer
from gantry.methods import Batch, build_method
from gantry.plan.dataset import DatasetSpec
from gantry.plan.recipe import Recipe

DATA = DataShape((2,), input=(2,))
BASE: dict[str, Any] = ON_POINTS | {
    "networks": {"family": "mlp", "width": 8, "depth": 2, "maxout_depth": 2},
}


def method_of(generator: int, discriminator: int) -> Any:
    torch.manual_seed(0)
    told = {"name": "cogan", "shared_generator": generator, "shared_discriminator": discriminator}
    return build_method(Recipe.model_validate(BASE | {"method": told}), DATA)


def batch() -> Batch:
    torch.manual_seed(1)
    return Batch({"x": torch.randn(8, 2), "x_a": torch.randn(8, 2)}, None, {"z": torch.randn(8, 4)})


def weights(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_shared_layers_are_the_same_objects_and_counted_once() -> None:
    apart, coupled = method_of(0, 0), method_of(2, 1)
    one, other = coupled.generators
    assert [a is b for a, b in zip(one, other, strict=True)] == [True] * 6 + [False]
    assert weights(apart.generators) - weights(coupled.generators) == weights(one[:6])
    d_one, d_other = coupled.discriminators
    assert [a is b for a, b in zip(d_one, d_other, strict=True)] == [False, False, True]
    assert weights(apart.discriminators) - weights(coupled.discriminators) == weights(d_one[-1])


def test_one_that_shares_all_makes_equal_samples() -> None:
    one, other = method_of(3, 0).generators
    z = torch.randn(5, 4)
    assert torch.equal(one(z), other(z))


@pytest.mark.parametrize("phase", ["discriminator", "generator"])
def test_one_that_shares_nothing_is_two_games(phase: str) -> None:
    """Losses are sums, and gradients are those of each game alone."""
    method = method_of(0, 0)
    seen = batch()
    loss = method.loss(phase, seen)
    loss.backward()
    found = {name: w.grad.clone() for name, w in method.named_parameters() if w.grad is not None}
    total = 0.0
    for k, real in enumerate((seen.data["x_a"], seen.x)):
        method.zero_grad()
        adversary, fake = method.of[k], method.generators[k](seen.noise["z"])
        fake = fake.detach() if phase == "discriminator" else fake
        alone = getattr(adversary, f"{phase}_loss")(real, [fake])
        alone.backward()
        total += alone.item()
        players = method.discriminators[k] if phase == "discriminator" else method.generators[k]
        kind = "discriminators" if phase == "discriminator" else "generators"
        for name, weight in players.named_parameters():
            torch.testing.assert_close(found[f"{kind}.{k}.{name}"], weight.grad)
    assert loss.item() == pytest.approx(total, rel=1e-6)


def test_pairs_are_held_against_the_map_of_the_truth(tmp_path: Path) -> None:
    spec = DatasetSpec(title="turned", source="gaussian_pair", options={"count": 300}, held_out=100)
    prepare(spec, "turned", tmp_path, None, tmp_path / "data")
    prepared = open_prepared(tmp_path / "data/manifest.json")
    held_out = prepared.held_out()
    assert held_out is not None and held_out.inputs is not None
    x, y = (torch.from_numpy(np.array(samples)) for samples in (held_out.inputs, held_out.samples))

    class Given:
        """A sampler whose pairs are these."""

        def __init__(self, other: torch.Tensor) -> None:
            self.other = other

        def pairs(self, count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
            return x, self.other

    scorer = AskedScorer(prepared, None)
    ratio = lambda other: scorer.coupling(Given(other), "G1", np.zeros((100, 2)))["coupling_ratio"]  # type: ignore[arg-type]  # noqa: E731
    assert ratio(y) < 1e-5
    assert ratio(y[torch.randperm(100, generator=torch.Generator().manual_seed(0))]) == pytest.approx(
        1, abs=0.2
    )


def test_what_cannot_be_shared_is_refused() -> None:
    for change, message in (
        ({"networks": {"family": "dcgan", "width": 2}}, "take networks.family mlp"),
        ({"method": {"name": "cogan", "shared_generator": 4}}, "a generator has 3 layers"),
    ):
        with pytest.raises(ValidationError, match=message):
            Recipe.model_validate(BASE | {"method": {"name": "cogan"}} | change)
