"""What a run will cost, before anything starts: time, disk and memory, from what its phases compute and hold.

Estimates, not promises: the rates below are round figures for the share of a device's peak that small
networks reach. Measured times stand in the records and in the report.
"""

from math import ceil

from gantry.plan.costs import Cost
from gantry.plan.runs import Run

# What the times are for.
DEVICES = {"cpu": "one core of a desktop CPU", "cuda": "one large data-centre GPU (30 TFLOP/s in fp32)"}
# Sustained multiply-add rates in FLOP/s of these.
RATES = {"cpu": 5e10, "cuda": 3e13}
# No iteration is shorter than its kernel launches and Python: on a CPU some thousand operations, from 18 ms (one
# generator on points, width 128) to 90 ms (EDGAN's at width 8) beside the arithmetic.
OVERHEAD = {"cpu": 2e-2, "cuda": 4e-3}
# What CUDA, its libraries and PyTorch take of a GPU's memory before anything is computed.
CONTEXT_MB = 1500
# Workspaces, and what an allocator cannot use.
MARGIN = 2


def training_seconds(run: Run, cost: Cost, device: str) -> float:
    """Estimate the training time of a whole run on one GPU or one core."""
    iterations = max(run.ends)
    return cost.flops(iterations) / RATES[device] + iterations * OVERHEAD[device]


def disk_bytes(run: Run, cost: Cost) -> int:
    """Estimate the bytes of a run's checkpoints, state and samples."""
    checkpoints = max(run.ends) // run.workload.checkpoint_every
    side = run.workload.resolution
    sample = run.workload.shown * run.recipe.generators * (3 * side**2 if side else 8)
    return 4 * (checkpoints * cost.kept + cost.state) + checkpoints * sample


def training_gpu_mb(cost: Cost) -> int:
    """Estimate the MB of a GPU's memory that training takes, so that no more runs share one than fit.

    Without the data: they lie on the GPU only if they fit into half of the run's share of it.
    """
    return CONTEXT_MB + ceil(MARGIN * (4 * cost.state + cost.bytes) / 1e6)
