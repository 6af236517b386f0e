"""What a run cost: memory and time, as its records say."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gantry.report.load import Run


@dataclass(frozen=True)
class Cost:
    """A cost of one run: how it is called, its column in published files, what a reader must know of it."""

    title: str
    unit: str
    column: str
    measure: Callable[[Run], float]
    note: str


def memory_of(run: Run) -> float:
    """The largest memory held on the GPU, in GiB; NaN for a run on a CPU, which records none."""
    peak = run.largest("peak_memory_bytes")
    return np.nan if peak is None else peak / 2**30


def time_of(run: Run) -> float:
    """Seconds for one iteration, in the median interval between log lines; NaN if it was not recorded."""
    seconds = run.provenance.get("seconds_per_iteration")
    return np.nan if seconds is None else float(seconds)


COSTS = {
    "gpu_memory": Cost(
        "GPU memory",
        "GiB",
        "gpu_memory_gb",
        memory_of,
        "ours is the largest memory that tensors held, the paper does not say how it measured",
    ),
    "seconds_per_iteration": Cost(
        "time of one iteration",
        "s",
        "seconds_per_iteration",
        time_of,
        "measured on {devices}; the paper's GPU is a TITAN RTX",
    ),
}
