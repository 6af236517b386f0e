"""Rivals that take turns in one run: medians hold where other work comes and goes, the best of one row would not."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


class Lap(NamedTuple):
    """Median seconds of one rival's turns, and what its last turn gave."""

    seconds: float
    value: Any


def race(
    rivals: Mapping[str, Callable[[], Any]],
    clock: Callable[[], float],
    turns: int = 3,
    enough: float = float("inf"),
) -> dict[str, Lap]:
    """Let every rival compute in turn, `turns` times or until the clock has counted `enough` seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in rivals}
    values: dict[str, Any] = {}
    begun = clock()
    for _ in range(turns):
        for name, compute in rivals.items():
            started = clock()
            values[name] = compute()
            seconds[name].append(clock() - started)
        if clock() - begun > enough:
            break
    return {name: Lap(statistics.median(each), values[name]) for name, each in seconds.items()}
