"""What a run cost: memory, time and weights, as its records say."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gantry.report.load import Run


@dataclass(frozen=True)
class Cost:
    """A cost of one run: how it is called, its column in published files, what a reader must know of it.

    `fixed` says that the recipe decides it and the seed does not, so that one run tells as much as many.
    """

    title: str
    unit: str
    column: str
    measure: Callable[[Run], float]
    note: str
    fixed: bool = False


def memory_of(run: Run) -> float:
    """The largest memory held on the GPU, in GiB; NaN for a run on a CPU, which records none."""
    peak = run.largest("peak_memory_bytes")
    return np.nan if peak is None else peak / 2**30


def time_of(run: Run) -> float:
    """Seconds for one iteration, in the median interval between log lines; NaN if it was not recorded."""
    seconds = run.provenance.get("seconds_per_iteration")
    return np.nan if seconds is None else float(seconds)


def weights_of(run: Run) -> float:
    """The weights that the generators learn, all of them together; NaN if they were not counted."""
    weights = run.provenance.get("generator_parameters")
    return np.nan if weights is None else float(weights)


COSTS = {
    "gpu_memory": Cost(
        "GPU memory",
        "GiB",
        "gpu_memory_gb",
        memory_of,
        "ours is the largest memory that tensors held",
        fixed=True,
    ),
    "seconds_per_iteration": Cost(
        "time of one iteration",
        "s",
        "seconds_per_iteration",
        time_of,
        "measured on {devices}; the published time is of the paper's own device",
    ),
    "generator_parameters": Cost(
        "weights of the generator", "", "generator_parameters", weights_of, "counted", fixed=True
    ),
}
