"""scales.yaml: what its controls must have in common with what they control."""

from pathlib import Path

import pytest

from gantry.plan import load_plan
from gantry.plan.work import flops_until

SCALES = ("paper", "small", "laptop", "quick")
PAIRS = {
    "pggan_cifar10": "pggan_cifar10_ungrown",
    "pggan_digits": "pggan_digits_ungrown",
    "stylegan_digits": "stylegan_digits_ungrown",
}


@pytest.mark.parametrize("scale", SCALES)
def test_the_ungrown_control_does_as_much_arithmetic(scale: str, repository: Path) -> None:
    plan = load_plan({"scale": scale, "papers": ["scales"]}, repository)
    for grown, control in PAIRS.items():
        told = [
            flops_until(recipe, workload.resolution, workload.iterations)
            for recipe in (plan.recipes[grown], plan.recipes[control])
            for workload in [plan.workloads[recipe.workload]]
        ]
        assert told[0] == pytest.approx(told[1], rel=0.02), (grown, scale)
        same = ("networks", "objective", "terms", "optimiser", "latent", "batch_size", "ema")
        assert all(getattr(plan.recipes[grown], key) == getattr(plan.recipes[control], key) for key in same)
