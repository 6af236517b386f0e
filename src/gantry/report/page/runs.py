"""What the page tells of the runs behind its numbers, and how long, where and by which commit they were made."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from gantry.report.load import Loaded, Run
from gantry.system.formatting import format_duration


@dataclass(frozen=True)
class RunRow:
    """What the page tells of one run."""

    anchor: str
    seed: int
    status: str
    iterations: int
    device: str
    step: str
    wall: str
    speed: str
    memory: str
    spec_digest: str
    data_digest: str
    commit: str
    short_commit: str
    code: str
    software: str
    finished: str


@dataclass(frozen=True)
class RunGroup:
    """The runs of one recipe on one data set."""

    anchor: str
    key: str
    title: str
    dataset: str
    changes: Sequence[str]
    recipe: str
    rows: Sequence[RunRow]


def anchor(key: str) -> str:
    """The id of a run or group on the page: digits/bcgan → runs-digits-bcgan."""
    return "runs-" + re.sub(r"[^A-Za-z0-9_.-]+", "-", key)


def run_groups(loaded: Sequence[Loaded]) -> list[RunGroup]:
    groups: dict[str, RunGroup] = {}
    for report in loaded:
        for loaded_group in report.groups:
            group = loaded_group.group
            rows = [_run_row(run) for run in loaded_group.runs]
            known = groups.get(group.key)
            # One recipe may be asked for up to different iterations: the longest is shown.
            if known is None or max(row.iterations for row in rows) > max(
                row.iterations for row in known.rows
            ):
                groups[group.key] = RunGroup(
                    anchor=anchor(group.key),
                    key=group.key,
                    title=known.title if known else group.recipe_title,
                    dataset=group.trained_on or group.dataset_title,
                    changes=(*group.recipe_changes, *group.dataset_changes),
                    recipe=_recipe(loaded_group.runs[0]),
                    rows=rows,
                )
    return list(groups.values())


def by_dataset(groups: Sequence[RunGroup]) -> dict[str, list[RunGroup]]:
    """The groups by what they were trained on."""
    found: dict[str, list[RunGroup]] = {}
    for group in groups:
        found.setdefault(group.dataset, []).append(group)
    return found


def _recipe(run: Run) -> str:
    """The whole recipe, defaults included, as the run's record has it; as YAML."""
    recipe = run.records[-1].get("recipe", {})
    return yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True, default_flow_style=None)


def _run_row(run: Run) -> RunRow:
    provenance = run.provenance
    speed = provenance.get("images_per_second")
    seconds = provenance.get("seconds_per_iteration")
    peak = run.largest("peak_memory_bytes")
    wall = run.largest("wall_seconds")
    return RunRow(
        anchor=anchor(run.key),
        seed=run.seed,
        status=run.ending,
        iterations=run.iterations,
        device=str(provenance.get("device", "–")),
        step=str(provenance.get("step", "–")),
        wall="–" if wall is None else format_duration(wall),
        speed=" · ".join(
            filter(None, [f"{1e3 * seconds:.3g} ms" if seconds else "", f"{speed:,.0f}/s" if speed else ""])
        )
        or "–",
        memory=f"{peak / 2**30:.2f} GiB" if peak else "–",
        spec_digest=str(run.records[-1]["spec_digest"]),
        data_digest=str(run.records[-1].get("data_digest") or "–"),
        commit=str(provenance.get("commit") or "–"),
        short_commit=short_commit(run),
        code=str(provenance.get("code_digest") or "–"),
        software=run.software,
        finished=str(provenance.get("finished_at", "–"))[:16].replace("T", " "),
    )


def short_commit(run: Run) -> str:
    """Ten digits of the commit; the + of a checkout with changes stays."""
    commit = str(run.provenance.get("commit") or "–")
    return commit[:10] + ("+" if commit.endswith("+") else "")
