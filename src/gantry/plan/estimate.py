"""What a run will cost, before anything starts: time, disk and memory, from what its phases compute and hold.

Estimates, not promises: the rates below are round figures. Measured times stand in the records and in the report.
"""

from math import ceil

from gantry.plan.costs import Cost
from gantry.plan.runs import Run

# What the times are for.
DEVICES = {"cpu": "one core of a desktop CPU", "cuda": "one large data-centre GPU (30 TFLOP/s in fp32)"}
# Of one core: its rate at products of matrices, 8e10 FLOP/s (measured 82 GFLOP/s, AMD EPYC with AVX2); what a call of
# an operation takes beside the arithmetic, in seconds; and the rate at which these read and write, in B/s. Together
# they are 0.77 to 1.22 of what nine of twelve recipes took that were timed alone there, from 8 ms (a GAN on points) to
# 608 ms (SAGAN at laptop), 1.5 of SNGAN, and 0.5 and 0.6 of GRAN and LR-GAN at quick.
CORE_RATE, CALL, MEMORY_RATE = 8e10, 2e-5, 6.7e9
# Of a GPU: a round figure for the share of its peak that small networks reach, and for what no iteration goes below.
GPU_RATE, LAUNCHES = 3e13, 4e-3
# What CUDA, its libraries and PyTorch take of a GPU's memory before anything is computed.
CONTEXT_MB = 1500
# Workspaces, and what an allocator cannot use.
MARGIN = 2


def training_seconds(run: Run, cost: Cost, device: str) -> float:
    """Estimate the training time of a whole run, in seconds, on one GPU or one core."""
    iterations = max(run.ends)
    if device == "cuda":
        return cost.flops(iterations) / GPU_RATE + iterations * LAUNCHES
    return cost.total(
        lambda stage: stage.flops / CORE_RATE + stage.calls * CALL + stage.moved / MEMORY_RATE, iterations
    )


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
