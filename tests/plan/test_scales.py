"""scales.yaml: what its controls must have in common with what they control."""

import re
from pathlib import Path
from typing import Any

import pytest

from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.plan import load_plan
from gantry.plan.checks import doubts_of
from gantry.plan.costs import cost_of
from gantry.plan.estimate import training_seconds
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


@pytest.mark.parametrize("scale", (*SCALES, "smoke"))
def test_a_scales_title_has_no_number_that_a_configuration_can_change(scale: str, repository: Path) -> None:
    """It stands beside every result, also of other `workloads`."""
    assert not re.search(r"\d", load_plan({"scale": scale}, repository).scale.title)


@pytest.mark.parametrize("scale", SCALES)
def test_the_control_is_shorter_and_else_the_same_at_every_scale(scale: str, repository: Path) -> None:
    plan = load_plan({"scale": scale, "papers": ["scales"]}, repository)
    for grown, control in PAIRS.items():
        long, short = (plan.workloads[plan.recipes[name].workload].iterations for name in (grown, control))
        assert 0.4 * long < short < long, grown
        same = ("networks", "objective", "terms", "optimiser", "latent", "batch_size", "ema")
        assert all(getattr(plan.recipes[grown], key) == getattr(plan.recipes[control], key) for key in same)


@pytest.mark.parametrize(("scale", "share"), [("smoke", 8), ("quick", 8), ("laptop", 4)])
def test_a_scale_for_a_cpu_shortens_every_run(scale: str, share: int, repository: Path) -> None:
    """Whatever collection is asked for: a workload that the scale forgets would take days."""
    papers = ["bcgan", "edgan", "bcgan_small", "zoo", "conditional", "translation", "scales", "encoders"]
    outputs = dict.fromkeys(papers, "all")
    told = {"scale": scale, "papers": papers, "outputs": outputs, "features": "embedded"}
    plan = load_plan(told, repository, quiet=True)
    described = plan.overrides.lengths
    forgotten = {
        plan.recipes[run.recipe_name].workload
        for run in plan.runs.values()
        if share * max(run.ends) > described[run.recipe_name].iterations
    }
    assert forgotten == set()


def test_scores_that_a_network_or_a_set_does_not_give_are_said_before_anything_starts(
    repository: Path,
) -> None:
    told: dict[str, Any] = {
        "scale": "smoke",
        "papers": ["scales"],
        "only_datasets": ["flower", "digits_pasted"],
    }
    load_plan(told, repository)
    with pytest.raises(UserError, match=r"one_picture\.metrics: sifid reads features of single places"):
        load_plan(told | {"features": "efficientnet-lite0"}, repository)
    with pytest.raises(
        UserError, match="mask_iou needs a data set whose layers are known, and digits is none"
    ):
        load_plan(told | {"substitute": {"digits_pasted": "digits"}}, repository)


def test_the_tour_is_minutes_of_two_cores(repository: Path, tmp_path: Path) -> None:
    """By round figures, which need no PyTorch; a tour's other steps take about four minutes of a core."""
    plan = load_plan({"scale": "quick", "papers": ["bcgan", "edgan"], "results": str(tmp_path)}, repository)
    seconds = sum(training_seconds(run, cost_of(plan, run), "cpu") for run in plan.runs.values())
    assert seconds < 14 * 60


def test_an_average_that_its_first_weights_colour_is_told(repository: Path) -> None:
    """And no shipped scale for a CPU has one."""
    papers = ["conditional", "scales", "encoders", "translation", "zoo"]
    for scale in ("smoke", "quick", "laptop"):
        given = {"scale": scale, "papers": papers, "outputs": dict.fromkeys(papers, "all")}
        plan = load_plan(given | {"features": "embedded"}, repository, quiet=True)
        young = [doubt for doubt in doubts_of(plan) if " ema: " in doubt]
        assert young == []
    longer = {"workloads": {"points": {"iterations": 2800}}, "recipes": {"points_gan": {"ema": 0.9999}}}
    told = doubts_of(load_plan({"scale": "quick", "papers": ["zoo"]} | longer, repository, quiet=True))
    (doubt,) = (doubt for doubt in told if " by 0.9999 " in doubt)
    assert doubt.startswith("recipes points_gan, ")  # and those that extend it
    assert doubt.endswith(
        ": ema: 76 % of an average by 0.9999 over 2,800 iterations are still the weights as they were drawn, and "
        "samples are its: train for longer, or say ema: 0.998"
    )
