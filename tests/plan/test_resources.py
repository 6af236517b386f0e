"""What jobs ask a cluster for follows the plan's estimates and stays within reason."""

from math import ceil

from tests.plan.conftest import Checkout

from gantry.plan import resources
from gantry.plan.estimate import seconds


def test_a_segment_asks_for_its_share_of_the_time(checkout: Checkout) -> None:
    whole = checkout.plan(scale="paper", seeds=[0])
    cut = checkout.plan(scale="paper", seeds=[0], segment_iterations=130000)
    key = "lsun_bedroom/bcgan/seed0"
    run, parts = whole.runs[key], cut.runs[key]
    minutes = resources.training_minutes(whole, run, 520000)
    assert minutes == 15 + ceil(3 * seconds(run, "cuda") / 60)
    for end in parts.ends:
        part = resources.training_minutes(cut, parts, end)
        assert abs(4 * (part - 15) - (minutes - 15)) <= 4


def test_larger_work_asks_for_more(checkout: Checkout) -> None:
    plan = checkout.plan(scale="paper", seeds=[0])
    points, images = plan.runs["mixture/synthetic_bcgan/seed0"], plan.runs["lsun_bedroom/bcgan/seed0"]
    end = max(images.ends)
    assert resources.training_mb(plan, points) < resources.training_mb(plan, images)
    assert resources.scoring_mb(plan, points) < resources.scoring_mb(plan, images)
    assert resources.scoring_minutes(plan, images, end) > resources.START_MINUTES
    assert resources.training_mb(plan, images) < 32000, "more than a usual node gives one GPU"
    wider = checkout.plan(scale="paper", seeds=[0], recipes={"bcgan": {"networks": {"width": 256}}})
    assert resources.training_mb(wider, wider.runs["lsun_bedroom/bcgan/seed0"]) > resources.training_mb(
        plan, images
    )


def test_scoring_asks_for_more_at_each_attempt_up_to_a_point(checkout: Checkout) -> None:
    plan = checkout.plan(scale="paper", seeds=[0])
    run = plan.runs["lsun_bedroom/bcgan/seed0"]
    asked = [resources.scoring_mb(plan, run, attempt) for attempt in (1, 2, 4, 20)]
    assert asked == [asked[0], 2 * asked[0], 4 * asked[0], 4 * asked[0]]
    minutes = [resources.scoring_minutes(plan, run, 520000, attempt) for attempt in (1, 2, 4, 20)]
    assert minutes[0] < minutes[1] < minutes[2] == minutes[3]
