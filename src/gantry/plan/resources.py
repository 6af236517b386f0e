"""What a step asks for: memory in MB, time in minutes, shares of GPUs, from the plan's estimates.

Generous on purpose: asking for too little ends a job, too much only delays it. Training asks for the same in
every attempt, since it goes on where the last one ended; scoring begins anew and asks for more. A profile's
`set-resources` overrides any of it, rule by rule.
"""

from math import ceil

from gantry.metrics.names import metric
from gantry.plan.costs import cost_of
from gantry.plan.estimate import disk_bytes, training_gpu_mb, training_seconds
from gantry.plan.plan import Plan
from gantry.plan.runs import Run

# PyTorch alone; with CUDA's libraries mapped.
BASE_MB = {"cpu": 2000, "cuda": 8000}
# Images a second through Inception, and points a second, round figures for one core and a large GPU. One core of an
# AMD EPYC with AVX2 looked at 6.2 (inception-768, 96 images of 32×32, processor time); no GPU was tried.
IMAGE_RATE = {"cpu": 6.0, "cuda": 500.0}
POINT_RATE = 1000.0
# Attempts after which scoring asks for no more.
LARGEST = 4
START_MINUTES = 15
MARGIN = 3.0


def training_minutes(plan: Plan, run: Run, end: int) -> int:
    """Minutes for the segment of `run` that ends at `end`."""
    share = (end - run.previous_end(end)) / max(run.ends)
    return START_MINUTES + ceil(MARGIN * share * training_seconds(run, cost_of(plan, run), plan.device) / 60)


def training_mb(plan: Plan, run: Run) -> int:
    """Memory of the trainer's host: twice a share of what a run keeps on disk, on top of PyTorch, each process."""
    checkpoints = max(max(run.ends) // run.workload.checkpoint_every, 1)
    of_one = BASE_MB[plan.device] + ceil(2 * disk_bytes(run, cost_of(plan, run)) / min(checkpoints, 4) / 1e6)
    return of_one * run.recipe.processes


def training_gpus(plan: Plan, run: Run) -> int:
    """Shares of GPUs, `runs_per_gpu` to each, that a run takes: as many as its memory fills, at least one.

    A run of several processes takes a whole GPU for each.
    """
    runs = plan.config.runs_per_gpu
    if plan.device == "cpu":
        return 0
    if run.recipe.processes > 1:
        return runs * run.recipe.processes
    if runs == 1 or plan.config.gpu_memory_gb is None:
        return 1
    share = 1000 * plan.config.gpu_memory_gb / runs
    return min(runs, ceil(training_gpu_mb(cost_of(plan, run)) / share))


def scoring_minutes(plan: Plan, run: Run, end: int, attempt: int = 1) -> int:
    """Minutes to sample and score the checkpoints of one segment."""
    rate = IMAGE_RATE[plan.device] if run.workload.resolution else POINT_RATE
    return START_MINUTES + ceil(min(attempt, LARGEST) * scored_samples(run, end) / rate / 60)


def scored_samples(run: Run, end: int) -> float:
    """How many samples the scoring of one segment looks at, at most."""
    workload = run.workload
    checkpoints = (end - run.previous_end(end)) / workload.checkpoint_every
    # Each generator's samples, and once more their mixture; a costly last metric counts as a checkpoint.
    passes = (run.recipe.generators + 1) * (checkpoints + len(workload.final_metrics))
    swept = sum(len(values) for _, values in workload.sweep) if end == max(run.ends) else 0
    return (passes + swept) * workload.samples


def seen_images(run: Run, end: int, sources: int) -> int:
    """How many images a feature network looks at to score one segment: each once, whatever metrics are asked for.

    `sources` as the count of a run has them. Inputs of translators, scored once beside their outputs, are left out.
    """
    workload, is_last = run.workload, end == max(run.ends)
    if run.recipe.generators > 1 and not workload.score_generators:
        sources = 1
    every = any(metric(name).uses_network for name in workload.metrics)
    checkpoints = (end - run.previous_end(end)) // workload.checkpoint_every if every else int(is_last)
    again = is_last * (workload.score_real + sum(len(values) for _, values in workload.sweep))
    return (sources * checkpoints + again) * workload.samples


def scoring_mb(plan: Plan, run: Run, attempt: int = 1) -> int:
    """Memory of the scorer: samples as floats, in two copies, and their features."""
    side = run.workload.resolution
    values = 3 * side**2 + 2048 if side else 2
    copies = 2 * (run.recipe.generators + 1)
    return min(attempt, LARGEST) * (
        BASE_MB[plan.device] + ceil(4 * copies * run.workload.samples * values / 1e6)
    )
