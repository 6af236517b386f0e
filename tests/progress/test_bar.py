"""How far a piece of work is: on a terminal, in a log, to a display."""

import time

import pytest

from gantry.progress import ProgressBar, bar, tell
from gantry.progress.channel import VARIABLE, Inbox


@pytest.fixture(autouse=True)
def unwatched(monkeypatch):
    """No display but the test's own."""
    monkeypatch.delenv(VARIABLE, raising=False)


def test_a_log_gets_a_line_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr(bar, "LOG_EVERY", 0.0)
    shown = ProgressBar("digits/bcgan/seed0", 2000, "it", done=500)
    shown.show(1000, "loss D 1.5")
    line = capsys.readouterr().err
    assert line.startswith("digits/bcgan/seed0: 50 % of 2000 it, ") and line.endswith(", loss D 1.5\n")
    assert " left" in line


def test_a_log_of_short_work_stays_empty(capsys):
    shown = ProgressBar("unpacking", 10, "bytes")
    shown.advance(10)
    shown.close()
    assert capsys.readouterr().err == ""


def test_what_a_display_is_told_is_not_printed(capsys, monkeypatch):
    monkeypatch.setattr(bar, "SEND_EVERY", 0.0)
    messages = []
    inbox = Inbox(messages.append, lambda: None)
    try:
        shown = ProgressBar("digits/bcgan/seed0", 2000, "it")
        shown.show(1000, rate=40.0)
        tell("a word")
        give_up = time.monotonic() + 10
        while len(messages) < 3 and time.monotonic() < give_up:
            time.sleep(0.01)
    finally:
        inbox.close()
    assert messages[1] == {
        "name": "digits/bcgan/seed0",
        "done": 1000,
        "total": 2000,
        "unit": "it",
        "rate": 40.0,
    }
    assert messages[2] == {"text": "a word"}
    assert capsys.readouterr().err == ""
    tell("and after the display has gone it is printed")
    assert "printed" in capsys.readouterr().err


def test_a_display_that_was_killed_is_none(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "gone"))
    tell("a word")
    assert capsys.readouterr().err == "a word\n"
