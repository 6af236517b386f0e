"""What jobs ask a cluster for follows the plan's estimates and stays within reason."""

from math import ceil

import pytest
from tests.plan.conftest import Checkout

from gantry.plan import resources
from gantry.plan.costs import Cost, StageCost, cost_of
from gantry.plan.estimate import training_gpu_mb, training_seconds


def test_a_segment_asks_for_its_share_of_the_time(checkout: Checkout) -> None:
    whole = checkout.plan(scale="paper", seeds=[0])
    cut = checkout.plan(scale="paper", seeds=[0], segment_iterations=130000)
    key = "lsun_bedroom/bcgan/seed0"
    run, parts = whole.runs[key], cut.runs[key]
    minutes = resources.training_minutes(whole, run, 520000)
    assert minutes == 15 + ceil(3 * training_seconds(run, cost_of(whole, run), "cuda") / 60)
    for end in parts.ends:
        part = resources.training_minutes(cut, parts, end)
        assert abs(4 * (part - 15) - (minutes - 15)) <= 4


def test_larger_work_asks_for_more(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = checkout.plan(scale="paper", seeds=[0])
    points, images = plan.runs["mixture/synthetic_bcgan/seed0"], plan.runs["lsun_bedroom/bcgan/seed0"]
    end = max(images.ends)
    assert resources.training_mb(plan, points) < resources.training_mb(plan, images)
    assert resources.scoring_mb(plan, points) < resources.scoring_mb(plan, images)
    assert resources.scoring_minutes(plan, images, end) > resources.START_MINUTES
    assert resources.training_mb(plan, images) < 32000, "more than a usual node gives one GPU"
    before = resources.training_mb(plan, images)
    wide = Cost((StageCost(0, 1e12, 10**9),), weights=10**9, state=3 * 10**9, kept=5 * 10**8)
    monkeypatch.setattr(resources, "cost_of", lambda plan, run: wide)
    assert resources.training_mb(plan, images) > before


def test_scoring_asks_for_more_at_each_attempt_up_to_a_point(checkout: Checkout) -> None:
    plan = checkout.plan(scale="paper", seeds=[0])
    run = plan.runs["lsun_bedroom/bcgan/seed0"]
    asked = [resources.scoring_mb(plan, run, attempt) for attempt in (1, 2, 4, 20)]
    assert asked == [asked[0], 2 * asked[0], 4 * asked[0], 4 * asked[0]]
    # Two generators and their mixture, twice: images of 64 pixels and 2,048 features, four bytes a number.
    size, samples = run.workload.resolution, run.workload.samples
    assert size is not None and asked[0] == 8000 + ceil(4 * 6 * samples * (3 * size**2 + 2048) / 1e6)
    minutes = [resources.scoring_minutes(plan, run, 520000, attempt) for attempt in (1, 2, 4, 20)]
    assert minutes[0] < minutes[1] < minutes[2] == minutes[3]


def test_a_network_sees_each_image_once(checkout: Checkout) -> None:
    def seen(sources: int, **images: object) -> int:
        plan = checkout.plan(seeds=[0], workloads={"images": images}, device="cpu")
        run = plan.run("digits", "bcgan", 0)
        assert (run.workload.samples, run.ends) == (500, (240,))
        return resources.seen_images(run, 240, sources)

    assert seen(2) == 2 * 6 * 500
    assert seen(3) == 3 * 6 * 500
    assert seen(2, score_generators=False) == 6 * 500
    assert seen(2, score_real=True) == (2 * 6 + 1) * 500
    assert seen(2, metrics=["swd"], final_metrics=["frechet_distance"]) == 2 * 500


def test_a_run_takes_the_shares_of_a_gpu_that_its_memory_fills(checkout: Checkout) -> None:
    def asked(**settings: object) -> tuple[int, int]:
        plan = checkout.plan(scale="paper", seeds=[0], **settings)
        small, large = plan.runs["mixture/synthetic_bcgan/seed0"], plan.runs["lsun_bedroom/bcgan/seed0"]
        return resources.training_gpus(plan, small), resources.training_gpus(plan, large)

    assert asked() == (1, 1)
    assert asked(device="cpu") == (0, 0)
    plan = checkout.plan(scale="paper", seeds=[0])
    run = plan.runs["lsun_bedroom/bcgan/seed0"]
    needed = training_gpu_mb(cost_of(plan, run))
    assert asked(runs_per_gpu=4, gpu_memory_gb=4 * needed / 1000) == (1, 1)
    assert asked(runs_per_gpu=4, gpu_memory_gb=2 * needed / 1000) == (1, 2)
    assert asked(runs_per_gpu=4, gpu_memory_gb=4 * needed / 1200) == (1, 2)  # a fifth more than a share
    assert asked(runs_per_gpu=4, gpu_memory_gb=4 * needed / 3900) == (2, 4)
    assert asked(runs_per_gpu=4, gpu_memory_gb=1) == (4, 4)  # never more than a whole one


def test_shares_without_a_size_are_refused(checkout: Checkout) -> None:
    assert checkout.problems(runs_per_gpu=4) == [
        "config: runs_per_gpu: 4 needs gpu_memory_gb, a GPU's memory in GB, which tells how many runs fit"
    ]


def test_a_run_of_several_processes_takes_a_gpu_for_each(checkout: Checkout) -> None:
    alone = checkout.plan(scale="paper", seeds=[0])
    several = {"recipes": {"bcgan": {"processes": 4}}, "scale": "paper", "seeds": [0]}
    key = "lsun_bedroom/bcgan/seed0"
    plan, shared = checkout.plan(**several), checkout.plan(**several, runs_per_gpu=2, gpu_memory_gb=80)
    assert resources.training_gpus(plan, plan.runs[key]) == 4
    assert resources.training_gpus(shared, shared.runs[key]) == 8  # all shares of four
    assert resources.training_mb(plan, plan.runs[key]) == 4 * resources.training_mb(alone, alone.runs[key])
    assert plan.runs[key].spec["recipe"] == alone.runs[key].spec["recipe"] | {"processes": 4}


def test_a_batch_that_cannot_be_divided_is_refused(checkout: Checkout) -> None:
    for change in ({"processes": 5}, {"processes": 32}, {"processes": 4, "pack": 16}):
        (problem,) = checkout.problems(recipes={"bcgan": change})
        assert f"batch_size 32 cannot be divided among processes {change['processes']}" in problem
