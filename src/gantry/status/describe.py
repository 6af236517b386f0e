"""A plan's run_status as a text for people, and as JSON for programs."""

from collections import Counter
from dataclasses import asdict
from typing import Any

from gantry.plan import Plan
from gantry.plan.raw import differences
from gantry.status.outputs import output_statuses
from gantry.status.runs import DIVERGED, RunStatus, run_statuses
from gantry.system.formatting import align_columns, format_duration


def describe(plan: Plan, settings: str = "") -> str:
    """Every run, then every table and figure: a line each, under a summary.

    `settings` are what the configuration was given on the command line, for commands that are shown.
    """
    runs = run_statuses(plan)
    outputs = output_statuses(plan, runs)
    counts = Counter(run.state for run in runs.values())
    complete = sum(output.is_complete for output in outputs)
    summary = ", ".join(f"{count} {state}" for state, count in counts.items())
    lines = [
        f"scale {plan.scale_name}: {len(runs)} runs: {summary}; "
        f"{complete} of {len(outputs)} tables and figures complete",
        "",
        *align_columns([("run", "state", "iteration", "ETA", ""), *(_row(run) for run in runs.values())]),
        "",
        *align_columns([(output.name, "; ".join(output.lacks) or "complete") for output in outputs]),
    ]
    backends = Counter(run.backend for run in runs.values() if run.backend)
    if backends:
        said = "; ".join(f"{count} {backend}" for backend, count in backends.most_common())
        lines += ["", f"steps of the trained runs: {said}"]
    if any(run.stale for run in runs.values()):
        lines += [
            "",
            "stale: trained on other data, or its record is damaged; the next run of snakemake trains anew",
        ]
    for is_concerned, said in (
        (lambda run: run.older_code, "older code: results stay good; to make one anew"),
        (
            lambda run: run.other_defaults,
            "other defaults: a setting that the recipe leaves open had another default when the run was trained; to "
            "train one anew",
        ),
    ):
        if concerned := [run for run in runs.values() if is_concerned(run)]:
            first = concerned[0]
            record = plan.record(plan.runs[first.key], first.recorded[-1])
            lines += ["", f"{said}, the first, say: snakemake {record} --forcerun {record}{settings}"]
    changed = differences(plan)
    if changed:
        lines += ["", *map(str, changed)]
    return "\n".join(lines)


def as_json(plan: Plan) -> dict[str, Any]:
    """The same for programs."""
    runs = run_statuses(plan)
    return {
        "scale": plan.scale_name,
        "runs": [asdict(run) for run in runs.values()],
        "outputs": [
            asdict(output) | {"complete": output.is_complete} for output in output_statuses(plan, runs)
        ],
    }


def _row(run: RunStatus) -> tuple[str, ...]:
    remarks = [
        f"at {run.diverged_at:,}" if run.state == DIVERGED else "",
        run.holder or "",
        f"stale: {', '.join(f'record-{end}' for end in run.stale)}" if run.stale else "",
        "older code" if run.older_code else "",
        f"other defaults: {', '.join(run.other_defaults)}" if run.other_defaults else "",
        f"{len(run.recorded) - len(run.scored)} to score" if len(run.scored) < len(run.recorded) else "",
    ]
    eta = "" if run.eta_seconds is None else format_duration(run.eta_seconds)
    remark = "; ".join(filter(None, remarks))
    return run.key, run.state, f"{run.iteration:,}/{run.until:,}", eta, remark
