"""When the whole will be done, from estimates and from what was seen."""

import pytest

from gantry.progress.ledger import Ledger


@pytest.fixture
def ledger() -> Ledger:
    """Four trainings of 100 estimated seconds, and a table."""
    ledger = Ledger()
    ledger.expect({str(number): ("train", 100.0) for number in range(4)} | {"4": ("table", None)})
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
    ledger.progress("digits/a/seed0", 250, 1000, "it", 50.0)
    # A quarter in 10 s: 30 more, and 40 for each of the others.
    assert ledger.seconds_left(10.0) == pytest.approx(30.0 + 3 * 40.0 + 2.0)
    assert ledger.running[0].facts == "250/1,000 it at 50/s"


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
    ledger.expect({"0": ("train", 200.0), "1": ("train", 100.0), "4": ("table", None)})
    assert ledger.done == 1 and [job.label for job in ledger.running] == ["train a"]
    assert ledger.jobs[0].weight == 200.0
    failed = ledger.fail(0)
    assert failed is not None and failed.label == "train a"
