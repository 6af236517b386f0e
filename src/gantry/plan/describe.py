"""A plan as a text for people: its runs, what they will cost, and the data that are missing."""

from gantry.plan.estimate import disk_bytes, training_seconds
from gantry.plan.plan import Plan
from gantry.plan.raw import differences
from gantry.plan.resources import START_MINUTES, scoring_minutes
from gantry.plan.runs import Run
from gantry.system.formatting import align_columns, format_bytes, format_duration


def describe(plan: Plan) -> str:
    """The plan as a text for people: runs, data, time, disk."""
    rows: list[tuple[str, ...]] = [("data set", "recipe", "seeds", "iterations", "a run", "disk")]
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
                format_duration(training_seconds(runs[0], plan.device)),
                format_bytes(sum(disk_bytes(run) for run in runs)),
            )
        )
    total = sum(training_seconds(run, plan.device) for run in plan.runs.values())
    disk = sum(disk_bytes(run) for run in plan.runs.values()) + sum(
        _prepared_bytes(plan, *each) for each in plan.prepared_sets().values()
    )
    unit = "GPU" if plan.device == "cuda" else "core"
    files = plan.output_files()
    lines = [
        f"scale {plan.scale_name}: {plan.scale.title}",
        "",
        *align_columns(rows),
        "",
        f"{len(plan.runs)} runs; training takes about {format_duration(total)} of one {unit}; "
        f"about {format_bytes(disk)} of disk",
        *_scoring(plan),
        f"{len(files)} files of tables and figures, and {plan.results}/report.html",
    ]
    lines += ["", *map(str, changed)] if (changed := differences(plan)) else []
    missing = plan.missing()
    if missing:
        lines += ["", f"{len(missing)} data sets are missing:", *(f"  {each}" for each in missing)]
    return "\n".join(lines)


def _scoring(plan: Plan) -> list[str]:
    """What Inception takes to look at all samples, if it is Inception: other networks are soon done."""
    if not plan.features.startswith("inception"):
        return []
    images = [run for run in plan.runs.values() if run.workload.resolution]
    minutes = sum(scoring_minutes(plan, run, end) - START_MINUTES for run in images for end in run.ends)
    return [
        f"scoring the images of {len(images)} runs with Inception takes up to {format_duration(60.0 * minutes)} more"
    ]


def _prepared_bytes(plan: Plan, dataset: str, resolution: int | None) -> int:
    spec = plan.datasets[dataset]
    count = round((spec.images or 0) * spec.fraction)
    return count * (3 * resolution**2 if resolution else 8)
