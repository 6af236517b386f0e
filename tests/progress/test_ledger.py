"""When the whole will be done, from estimates and from what was seen."""

import pytest

from gantry.progress.ledger import Ledger


@pytest.fixture
def ledger() -> Ledger:
    """Four trainings of 100 estimated seconds, and a table."""
    ledger = Ledger()
    ledger.expect({str(number): ("train", 100.0, "images", 1000) for number in range(4)} | {"4": ("table",)})
    return ledger


def test_before_anything_was_seen_the_estimates_count(ledger):
    assert ledger.seconds_left(0.0) == pytest.approx(402.0)


def test_what_a_job_took_corrects_the_estimates_of_its_rule(ledger):
    ledger.begin(0, "train", "train a", 0.0)
    ledger.end(0, 50.0)
    assert ledger.done == 1
    assert ledger.seconds_left(50.0) == pytest.approx(3 * 50.0 + 2.0)


def test_a_job_under_way_counts_by_what_is_left_of_it(ledger):
    ledger.begin(0, "train", "train digits/a/seed0", 0.0)
    ledger.progress("digits/a/seed0", 250, 1000, "it", 25.0, now=10.0)
    # At its rate 30 s more, and 40 for each of the others.
    assert ledger.seconds_left(10.0) == pytest.approx(30.0 + 3 * 40.0 + 2.0)
    assert ledger.running[0].facts == "250/1,000 it at 25/s"


def test_two_jobs_at_once_halve_the_time_but_not_that_of_one_job(ledger):
    ledger.begin(0, "train", "train a", 0.0)
    ledger.begin(1, "train", "train b", 0.0)
    assert ledger.lanes == 2
    assert ledger.seconds_left(0.0) == pytest.approx(201.0)
    for number in (1, 2, 3, 4):
        ledger.jobs.pop(number)
    assert ledger.seconds_left(0.0) == pytest.approx(100.0), "one job is not done by two lanes"


def test_a_second_attempt_begins_anew_and_a_failure_is_not_waited_for(ledger):
    ledger.begin(0, "train", "train a", 0.0)
    ledger.progress("a", 9, 10, "it", None)
    ledger.begin(0, "train", "train a", 5.0)
    assert ledger.jobs[0].share == 0
    ledger.fail(0)
    assert ledger.seconds_left(5.0) == pytest.approx(302.0)
    assert ledger.done == 0


def test_a_list_of_jobs_that_comes_late_forgets_nothing_that_has_begun(ledger):
    ledger.begin(0, "train", "train a", 0.0)
    ledger.begin(4, "table", "table one", 0.0)
    ledger.end(4, 1.0)
    ledger.expect({"0": ("train", 200.0, "a", 9), "1": ("train", 100.0, "a", 9), "4": ("table",)})
    assert ledger.done == 1 and [job.label for job in ledger.running] == ["train a"]
    assert ledger.jobs[0].weight == 200.0
    failed = ledger.fail(0)
    assert failed is not None and failed.label == "train a"


def test_the_first_rate_of_a_run_corrects_its_whole_family(ledger):
    """Estimates of points are right, those of images four times too high, as soon as one of these says its rate."""
    jobs = {str(number): ("train", 400.0, "images", 2000) for number in range(3)}
    ledger = Ledger()
    ledger.expect(jobs | {"3": ("train", 50.0, "points", 100), "4": ("table",)}, lanes=2)
    assert ledger.seconds_left(0.0) == pytest.approx((3 * 400 + 50 + 2) / 2), (
        "two cores from the first line on"
    )
    ledger.begin(0, "train", "train digits/a/seed0", 0.0)
    ledger.begin(3, "train", "train mixture/b/seed0", 0.0)
    ledger.progress("digits/a/seed0", 100, 2000, "it", 20.0, now=10.0)
    ledger.progress("mixture/b/seed0", 20, 100, "it", 2.0, now=10.0)
    assert ledger.seconds_left(10.0) == pytest.approx((95 + 2 * 100 + 40 + 2) / 2)
    assert ledger.seconds_left(20.0) == pytest.approx((85 + 2 * 100 + 30 + 2) / 2), (
        "time goes on between messages"
    )


def test_what_was_resumed_does_not_make_the_others_look_short(ledger):
    """Nine tenths were there: the rate says what a whole run takes, the time from its start does not."""
    ledger.begin(0, "train", "train a", 0.0)
    ledger.progress("a", 900, 1000, "it", 5.0, now=1.0)
    ledger.end(0, 21.0)
    assert ledger.seconds_left(21.0) == pytest.approx(3 * 200.0 + 2.0)
