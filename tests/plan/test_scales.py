"""scales.yaml: what its controls must have in common with what they control."""

from pathlib import Path

import pytest

from gantry.data.shape import DataShape
from gantry.plan import load_plan
from gantry.training.counting import count

SCALES = ("paper", "small", "laptop", "quick")
PAIRS = {
    "pggan_cifar10": "pggan_cifar10_ungrown",
    "pggan_digits": "pggan_digits_ungrown",
    "stylegan_digits": "stylegan_digits_ungrown",
}


def test_the_ungrown_control_does_as_much_arithmetic(repository: Path) -> None:
    plan = load_plan({"scale": "quick", "papers": ["scales"]}, repository)
    for grown, control in PAIRS.items():
        told = []
        for name in (grown, control):
            workload = plan.workloads[plan.recipes[name].workload]
            shape = DataShape((3, workload.resolution, workload.resolution))
            told.append(count(plan.recipes[name], shape).flops(workload.iterations))
        assert told[0] == pytest.approx(told[1], rel=0.02), grown


@pytest.mark.parametrize("scale", SCALES)
def test_the_control_is_shorter_and_else_the_same_at_every_scale(scale: str, repository: Path) -> None:
    plan = load_plan({"scale": scale, "papers": ["scales"]}, repository)
    for grown, control in PAIRS.items():
        long, short = (plan.workloads[plan.recipes[name].workload].iterations for name in (grown, control))
        assert 0.4 * long < short < long, grown
        same = ("networks", "objective", "terms", "optimiser", "latent", "batch_size", "ema")
        assert all(getattr(plan.recipes[grown], key) == getattr(plan.recipes[control], key) for key in same)
