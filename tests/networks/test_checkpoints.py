"""Generators of every family, averaged over a step, come back from a checkpoint as they were."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tests.training.games import batch_of, method_of

from gantry.methods.checkpoint import load_sampler
from gantry.plan.recipe import Recipe
from gantry.training.step import Step

SHAPE = (3, 32, 32)


@pytest.mark.parametrize("family", ["dcgan", "dcgan32", "sngan", "resnet", "sagan"])
def test_averaged_generators_come_back_from_a_checkpoint(family: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    recipe = Recipe(
        workload="images",
        networks={"family": family, "width": 4},
        objective={"name": "non_saturating"},
        latent={"dimension": 6},
        ema=0.5,
    )
    step = Step(method_of(recipe, SHAPE), recipe, torch.device("cpu"))
    real, views = torch.rand(4, *SHAPE) * 2 - 1, [torch.randn(4, 6)]
    for _ in range(2):
        assert step.update("discriminator", batch_of(real, views)).isfinite()
        assert step.update("generator", batch_of(real, views)).isfinite()
    averaged = step.sampling_networks()
    weights = {name: weight.contiguous() for name, weight in averaged.state_dict().items()}
    save_file(weights, tmp_path / "generators.safetensors")
    sampler = load_sampler(method_of(recipe, SHAPE), tmp_path / "generators.safetensors")
    (kept,) = averaged.eval()
    images = sampler.sample("G1", {"z": views[0]})
    # Training keeps images' channels last, a checkpoint does not: the sums come in another order.
    torch.testing.assert_close(images, kept(views[0]), rtol=1e-5, atol=1e-6)
    assert not torch.equal(images, step.method.eval().generators[0](views[0]))
