"""Stopping in good order: a signal asks, the loop answers at the end of an iteration."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# "Temporary failure, try again" in sysexits.h: the state is saved, the same command continues.
EXIT_CONTINUE = 75
CONTINUES = (
    "the same command continues"  # the end of the last message, and of the log, of what was stopped so
)
# What asks to stop: SIGURG is clusters' warning before the time limit.
WATCHED = (signal.SIGTERM, signal.SIGINT, signal.SIGURG)


class Stopped(Exception):
    """Training was asked to stop; its state is saved."""


class StopFlag:
    """Whether somebody has asked the loop to stop."""

    def __init__(self) -> None:
        self.signal: str | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.signal = signal.Signals(number).name


@contextmanager
def handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Have `handler` called for what asks to stop; afterwards, whoever was called before is so again."""
    before = {number: signal.signal(number, handler) for number in WATCHED}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


@contextmanager
def stop_flag() -> Iterator[StopFlag]:
    """Turn SIGTERM, SIGINT and SIGURG into a request."""
    request = StopFlag()
    with handled_by(request):
        yield request
