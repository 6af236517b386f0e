"""Which tables and figures are complete, and what the others lack."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gantry.plan import Plan
from gantry.plan.configuration import Output
from gantry.plan.report_specs import report_spec_digest
from gantry.runs.outputs import is_current
from gantry.status.runs import RunStatus


@dataclass(frozen=True)
class OutputStatus:
    """What a table or figure lacks, as phrases; nothing if it is complete."""

    name: str
    lacks: tuple[str, ...]

    @property
    def is_complete(self) -> bool:
        return not self.lacks


def output_statuses(plan: Plan, runs: Mapping[str, RunStatus]) -> list[OutputStatus]:
    """Where every table and figure of the plan stands."""
    return [
        OutputStatus(f"{paper}/{name}", tuple(_lacks(plan, paper, name, output, runs)))
        for paper, name, output in plan.outputs()
    ]


def _lacks(plan: Plan, paper: str, name: str, output: Output, runs: Mapping[str, RunStatus]) -> list[str]:
    wanted = plan.runs_of(output)
    untrained = [run.key for run, ends in wanted if not set(ends) <= set(runs[run.key].recorded)]
    unscored = [run.key for run, ends in wanted if not set(ends) <= set(runs[run.key].scored)]
    unscored = [key for key in unscored if key not in untrained]
    lacks = []
    for what, keys in (("to train", untrained), ("to score", unscored)):
        if keys:
            shown = ", ".join(keys[:3]) + (", …" if len(keys) > 3 else "")
            lacks.append(f"{len(keys)} of {len(wanted)} runs {what} ({shown})")
    files = [Path(file) for file in plan.files_of(paper, name)]
    missing = [path.name for path in files if not path.exists()]
    if missing:
        lacks.append("to make: " + ", ".join(missing))
    elif not lacks and not is_current(
        files, [Path(file) for file in plan.inputs_of(paper, name)], report_spec_digest(plan, paper, name)
    ):
        lacks.append("to make again: of other runs or settings, or damaged")
    return lacks
