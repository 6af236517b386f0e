"""What stands in the way of a plan, looked for before anything starts: raw data, weights, a GPU, room on the disk."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gantry.metrics.weight_files import missing_of_losses, missing_weights
from gantry.plan.costs import cost_of
from gantry.plan.estimate import disk_bytes
from gantry.plan.plan import Plan
from gantry.plan.runs import Run
from gantry.plan.steps import Step, others, preparations, trainings
from gantry.system.disk import free_bytes
from gantry.system.formatting import format_bytes
from gantry.system.gpus import is_one_seen


@dataclass(frozen=True)
class Work:
    """What is to be done: sets to prepare, runs to train (any segment of them), and whether images are scored."""

    prepare: tuple[str, ...]
    train: tuple[Run, ...]
    scores_images: bool


def work_left(plan: Plan) -> Work:
    """What of the whole plan is not there yet."""
    return work_of(plan, (step for step in all_steps(plan) if not step.is_there))


def all_steps(plan: Plan) -> Iterator[Step]:
    """Every step but those of tables, figures and the page, which need nothing that others do not."""
    yield from preparations(plan)
    yield from trainings(plan)
    yield from (step for step in others(plan) if step.rule in SCORING)


SCORING = ("real_statistics", "score")


def work_of(plan: Plan, steps: Iterable[Step]) -> Work:
    """What some steps are to do."""
    listed = list(steps)
    trained = {file for step in listed if step.rule == "train" for file in step.outputs}
    scored = {file for step in listed if step.rule == "score" for file in step.outputs}
    images = [run for run in plan.runs.values() if run.workload.resolution]
    return Work(
        tuple(Path(step.outputs[0]).parent.name for step in listed if step.rule == "prepare"),
        tuple(run for run in plan.runs.values() if any(plan.record(run, end) in trained for end in run.ends)),
        any(step.rule == "real_statistics" for step in listed)
        or any(plan.metrics(run, end) in scored for run in images for end in run.ends),
    )


def obstacles(plan: Plan, work: Work, *, here: bool = True) -> list[str]:
    """Say what stands in the way of `work`, with what removes it; nothing where all is well.

    `here` says that jobs run on this machine, which then needs the GPU.
    """
    found = [str(dataset) for dataset in plan.missing_for(work.prepare)]
    if work.scores_images:
        given = plan.config.weights.get(plan.features)
        found += filter(None, [missing_weights(plan.features, Path(given) if given else None)])
    for network in dict.fromkeys(run.recipe.method.fixed_network for run in work.train):
        if network is None or network == "embedded":  # which the workflow trains
            continue
        given = plan.config.weights.get(network)
        if given is None or not Path(given).is_file():
            found.append(missing_of_losses(network, Path(given) if given else None))
    if plan.device == "cuda" and here and (work.train or work.scores_images) and not is_one_seen():
        found.append(_no_gpu(plan))
    found += filter(None, [_too_full(plan, work)])
    return found


def _no_gpu(plan: Plan) -> str:
    """Who wants the GPU that is not there, and what to do."""
    if plan.scale.device == "cpu":
        return (
            f"device=cuda computes on a GPU and none is seen on this machine: leave it out, scale {plan.scale_name} is "
            "for a CPU; a cluster's jobs find theirs (docs/clusters.md)"
        )
    return (
        f"scale {plan.scale_name} computes on a GPU and none is seen on this machine: --config scale=quick is for "
        "a CPU; device=cpu takes months at paper scale; a cluster's jobs find theirs (docs/clusters.md)"
    )


def _too_full(plan: Plan, work: Work) -> str:
    # A round figure is no reason to stop anybody: runs that were not counted are left out.
    costs = {run.key: cost_of(plan, run) for run in work.train}
    needed = sum(disk_bytes(run, costs[run.key]) for run in work.train if costs[run.key].is_counted) + sum(
        prepared_bytes(plan, *plan.prepared_sets()[name]) for name in work.prepare
    )
    free = free_bytes(Path(plan.results))
    if needed <= free:
        return ""
    return (
        f"{plan.config.results}: about {format_bytes(needed)} are needed and {format_bytes(free)} are free: make room, "
        "or choose another disk: --config results=/other/disk"
    )


def prepared_bytes(plan: Plan, dataset: str, resolution: int | None) -> int:
    """Bytes of a prepared set, as far as its size is known before it is prepared."""
    return prepared_count(plan, dataset) * (3 * resolution**2 if resolution else 8)


def prepared_count(plan: Plan, dataset: str) -> int:
    """How many samples a prepared set has, those held out included; 0 where that is not known before."""
    spec = plan.datasets[dataset]
    return round((spec.images or 0) * spec.fraction)


def done_already(steps: Iterable[Step]) -> str:
    """Say how much of some steps' training is done already; '' where all of it is, or none."""
    trained = [step.is_there for step in steps if step.rule == "train"]
    if not any(trained) or all(trained):
        return ""
    return f"{sum(trained)} of {len(trained)} trainings are done already"
