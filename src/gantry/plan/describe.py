"""A plan as a text for people: its runs, what they will cost, and the data that are missing."""

from collections.abc import Mapping
from pathlib import Path

from gantry.metrics.names import metric
from gantry.plan.costs import cost_of
from gantry.plan.estimate import DEVICES, disk_bytes, training_seconds
from gantry.plan.plan import Plan
from gantry.plan.preflight import obstacles, prepared_bytes, prepared_count, work_left
from gantry.plan.raw import differences
from gantry.plan.resources import IMAGE_RATE, seen_images
from gantry.plan.runs import Run
from gantry.system.formatting import align_columns, count_of, format_bytes, format_duration
from gantry.system.processor import multiplies_bf16


def describe(plan: Plan, trained: Mapping[str, float] | None = None) -> str:
    """Return the plan as a text for people: runs, data, time, disk.

    `trained` is the share of each run, by its key, that is trained already, in 0 to 1: it costs no more time.
    """
    shares = trained or {}
    costs = {run.key: cost_of(plan, run) for run in plan.runs.values()}
    rows: list[tuple[str, ...]] = [("data set", "recipe", "seeds", "iterations", "a run", "done", "disk")]
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in plan.runs.values():
        groups.setdefault((run.dataset, run.recipe_name), []).append(run)
    for (dataset, recipe), runs in groups.items():
        rows.append(
            (
                dataset,
                recipe,
                ", ".join(str(run.seed) for run in runs),
                f"{max(runs[0].ends):,}",
                format_duration(training_seconds(runs[0], costs[runs[0].key], plan.device)),
                f"{sum(shares.get(run.key, 0) >= 1 for run in runs)} of {len(runs)}",
                format_bytes(sum(disk_bytes(run, costs[run.key]) for run in runs)),
            )
        )
    left = sum(
        training_seconds(run, costs[run.key], plan.device) * (1 - shares.get(run.key, 0))
        for run in plan.runs.values()
    )
    done = sum(shares.get(run.key, 0) >= 1 for run in plan.runs.values())
    disk = sum(disk_bytes(run, costs[run.key]) for run in plan.runs.values()) + sum(
        prepared_bytes(plan, *named) for named in plan.prepared_sets().values()
    )
    files = plan.output_files()
    lines = [
        f"scale {plan.scale_name}: {plan.scale.title}",
        "",
        *align_columns(rows),
        "",
        _training(len(plan.runs), done, left, plan.device),
        *_precision(plan, shares),
        *_scoring(plan),
        f"about {format_bytes(disk)} of disk in all",
        f"{count_of(len(files), 'file')} of tables and figures, and {plan.results}/report.html",
    ]
    if guessed := sorted({run.recipe_name for run in plan.runs.values() if not costs[run.key].is_counted}):
        lines += ["", f"not counted, so that time and disk are round figures: {', '.join(guessed)}"]
    lines += ["", *map(str, changed)] if (changed := differences(plan)) else []
    if hindered := obstacles(plan, work_left(plan)):
        lines += ["", "before it can start:", *(f"  {obstacle}" for obstacle in hindered)]
    return "\n".join(lines)


def _training(runs: int, done: int, left: float, device: str) -> str:
    if done == runs:
        return f"{count_of(runs, 'run')}, trained" if runs == 1 else f"{runs} runs, all of them trained"
    count = (
        f"{runs} runs, {done} of them trained; training the rest"
        if done
        else f"{count_of(runs, 'run')}; training"
    )
    return f"{count} takes about {format_duration(left)} of {DEVICES[device]}"


def _precision(plan: Plan, shares: Mapping[str, float]) -> list[str]:
    """Say where bf16 would make this machine's processor quicker, and where it has nothing to gain by it."""
    left = [run for run in plan.runs.values() if run.workload.resolution and shares.get(run.key, 0) < 1]
    if plan.device != "cpu" or not left or (has_bf16 := multiplies_bf16()) is None:
        return []
    asked = sorted({run.recipe_name for run in left if run.recipe.precision == "bf16"})
    if asked and not has_bf16:
        return [
            f"this processor does not multiply bfloat16: fp32 is likely to be faster here: {', '.join(asked)}"
        ]
    if not asked and has_bf16:
        return [
            "this processor multiplies bfloat16: with --config precision=bf16 images train about one and a half times "
            "as fast, which tables then say"
        ]
    return []


def _scoring(plan: Plan) -> list[str]:
    """What Inception takes to look at what it has not looked at, if it is Inception: other networks are soon done."""
    if not plan.features.startswith("inception"):
        return []
    unscored = [
        (run, end)
        for run in plan.runs.values()
        if run.workload.resolution and _asks_a_network(run)
        for end in run.ends
        if not Path(plan.metrics(run, end)).is_file()
    ]
    unread = {
        file: run.dataset
        for run in plan.runs.values()
        for file in plan.real_statistics(run)
        if not Path(file).is_file()
    }
    rate = IMAGE_RATE[plan.device]
    lines = []
    if unscored:
        runs = len({run.key for run, _ in unscored})
        seconds = sum(seen_images(run, end, cost_of(plan, run).sources) for run, end in unscored) / rate
        lines += [
            f"scoring the images of {count_of(runs, 'run')} with Inception takes about {format_duration(seconds)} more"
        ]
    if real := sum(prepared_count(plan, dataset) for dataset in unread.values()):
        lines += [
            f"Inception looks at {count_of(real, 'real image')} once, which takes about {format_duration(real / rate)}"
        ]
    return lines


def _asks_a_network(run: Run) -> bool:
    """Whether a metric of the run is computed from what a feature network says."""
    asked = (*run.workload.metrics, *run.workload.final_metrics)
    return any(metric(name).uses_network for name in asked)
