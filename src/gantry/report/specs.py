"""Report specs: what the plan (`gantry.plan.orders`) tells the report of one table, figure or list of claims."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from gantry.errors import UserError, suggestion
from gantry.plan.blocks.base import Strict
from gantry.plan.output_types import OPTIONS


class RunReference(Strict):
    """One training run: its seed, the spec it must have been trained with, the ends of its segments."""

    seed: int
    spec_digest: str
    ends: tuple[int, ...]


class Group(Strict):
    """The runs that differ in their seed only: one recipe on one data set.

    `dataset` names the folder of the runs, `dataset_name` the paper's data set that it is or stands for,
    `method` the row of the published table: a name, or the value of each of its key columns.
    """

    dataset: str
    dataset_name: str
    dataset_label: str
    stand_in: str | None = None
    recipe: str
    recipe_label: str
    method: str | dict[str, str | int | float]
    runs: tuple[RunReference, ...]

    @property
    def dataset_title(self) -> str:
        """The data set's label, marked where it is a stand-in."""
        return f"{self.dataset_label} (stand-in)" if self.stand_in else self.dataset_label

    @property
    def published_keys(self) -> dict[str, str]:
        """The columns of the published table that name this group's row, and their values there."""
        if isinstance(self.method, str):
            return {"method": self.method}
        return {key: str(value) for key, value in self.method.items()}

    @property
    def key(self) -> str:
        """The group's name in files and anchors: data set and recipe."""
        return f"{self.dataset}/{self.recipe}"


class ReportSpec(Strict):
    """One table, figure or list of claims, as the plan hands it to the report."""

    format: Literal[1]
    paper: str
    name: str
    kind: str
    title: str
    notes: tuple[str, ...] = ()
    options: dict[str, Any] = {}
    scale: str
    scale_title: str
    results: Path
    published: Path | None = None
    metrics: tuple[str, ...] = ()
    snapshots: tuple[int, ...] = ()
    iterations: int
    paper_iterations: int | None = None
    # Where a run that is followed further has its tables' end; None: the spec does not say.
    usual_iterations: int | None = None
    groups: tuple[Group, ...]

    def checkpoint_for(self, iteration: int, checkpoints: Iterable[int]) -> int:
        """The checkpoint nearest to the share of training at which the paper's `iteration` lies."""
        wanted = iteration * self.iterations / (self.paper_iterations or self.iterations)
        return min(checkpoints, key=lambda each: abs(each - wanted), default=round(wanted))

    @property
    def stand_ins(self) -> dict[str, str]:
        """The paper's data sets for which something else was used, and what: label → stand-in."""
        return {group.dataset_label: group.stand_in for group in self.groups if group.stand_in}


def parse_spec(spec: dict[str, Any]) -> ReportSpec:
    """Validate a spec; UserError lists every wrong key at once."""
    try:
        return ReportSpec.model_validate(spec)
    except ValidationError as error:
        name = f"report spec {spec.get('paper', '?')}/{spec.get('name', '?')}"
        raise UserError(_message(name, error)) from None


def options_of(spec: ReportSpec) -> Any:
    """Validate the options by the model of the output type (see `plan.output_types`)."""
    try:
        return OPTIONS[spec.kind].model_validate(spec.options)
    except ValidationError as error:
        raise UserError(_message(f"{spec.paper}/{spec.name}: options", error)) from None


def unknown_type(spec: ReportSpec, known: dict[str, Any]) -> str:
    """The message for a spec whose kind is in no registry."""
    return (
        f"{spec.paper}/{spec.name}: kind: unknown kind {spec.kind!r}{suggestion(spec.kind, known)}; "
        f"known kinds: {', '.join(known)}"
    )


def _message(name: str, error: ValidationError) -> str:
    """One line for every problem that pydantic found, each with the path of its key."""
    lines = [f"{'.'.join(map(str, e['loc'])) or 'spec'}: {e['msg']}" for e in error.errors()]
    return f"{name}: " + f"\n{name}: ".join(lines)
