"""How many runs share a GPU: said once, by the configuration, and known to every process of a workflow."""

import os

VARIABLE = "GANTRY_RUNS_PER_GPU"


def say_runs_per_gpu(count: int) -> None:
    """Let the steps that this process starts know of it."""
    os.environ[VARIABLE] = str(count)


def runs_per_gpu() -> int:
    """Into how many shares each GPU is divided; 1 where nobody has said."""
    return max(1, int(os.environ.get(VARIABLE, "1")))
