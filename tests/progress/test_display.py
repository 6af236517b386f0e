"""The last line of a workflow: what failed, what a signal has stopped, and what to do about it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gantry.progress.display import GOES_ON, Display
from gantry.system.signals import CONTINUES


@pytest.fixture
def display() -> Iterator[Display]:
    """A display of two jobs that have begun."""
    shown = Display()
    for number, name in ((1, "train a"), (2, "train b")):
        shown.begin(number, "train", name)
    yield shown
    if not shown.is_closed:
        shown.close()


@pytest.fixture
def saved(tmp_path: Path) -> list[str]:
    """The log of a training that a signal has stopped."""
    log = tmp_path / "saved.log"
    log.write_text(f"gantry: SIGTERM: state saved at iteration 7 of 18; {CONTINUES}\n")
    return [str(log)]


@pytest.fixture
def broken(tmp_path: Path) -> list[str]:
    """The log of a training that an error has ended."""
    log = tmp_path / "broken.log"
    log.write_text("gantry: the checkpoint is damaged\n")
    return [str(log)]


def last(display: Display, capsys: pytest.CaptureFixture[str]) -> str:
    """The last line."""
    display.close()
    return capsys.readouterr().err.splitlines()[-1]


def test_steps_that_a_signal_has_stopped_are_no_failures(
    display: Display, saved: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    display.fail(1, "train", saved)
    display.fail(2, "train", saved)
    assert last(display, capsys) == f"gantry: 2 jobs stopped (train a, train b); {GOES_ON}"


def test_what_failed_and_what_was_stopped_are_told_apart(
    display: Display, saved: list[str], broken: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    display.fail(1, "train", saved)
    display.fail(2, "train", broken)
    assert last(display, capsys).startswith(
        "gantry: 1 job failed (train b), 1 job stopped (train a); what is done is kept: mend that"
    )


@pytest.mark.parametrize("first", ["the step", "snakemake"])
def test_a_step_that_sigterm_ends_without_a_word_was_stopped(
    display: Display, broken: list[str], capsys: pytest.CaptureFixture[str], first: str
) -> None:
    """Which of both Snakemake says first is chance. What fails with a message has failed, SIGTERM or not."""
    steps = [lambda: display.fail(1, "score", []), display.terminate]
    for step in steps if first == "the step" else reversed(steps):
        step()
    display.fail(2, "train", broken)
    assert last(display, capsys).startswith("gantry: 1 job failed (train b), 1 job stopped (train a); ")


def test_a_step_that_ends_without_a_word_has_failed_where_nobody_stops_it(
    display: Display, capsys: pytest.CaptureFixture[str]
) -> None:
    display.fail(1, "score", [])
    assert last(display, capsys).startswith("gantry: 1 job failed (train a); ")


def test_snakemake_that_waits_for_its_jobs_says_how_far_it_came(
    display: Display, capsys: pytest.CaptureFixture[str]
) -> None:
    display.end(1)
    display.terminate()
    display.terminate()
    assert capsys.readouterr().err.count("SIGTERM") == 1
    assert last(display, capsys) == f"gantry: stopped with 1 of 2 jobs done; {GOES_ON}"


def test_a_job_that_was_tried_again_and_is_done_has_not_failed(
    display: Display, saved: list[str], broken: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for number, log in ((1, saved), (2, broken)):
        display.fail(number, "train", log)
        display.begin(number, "train", "train again")
        display.end(number)
    assert last(display, capsys).startswith("gantry: 2 jobs done in ")
