"""Report specs: what the plan (`gantry.plan.report_specs`) tells the report of one table, figure or list of claims."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from gantry.errors import UserError, suggestion
from gantry.plan.blocks.base import Strict
from gantry.plan.output_types import OUTPUT_TYPES, Family, OutputType

CHANGED = "(changed)"
PROXY = "(proxy)"


class RunReference(Strict):
    """One training run: its seed, the spec it must have been trained with, the ends of its segments.

    `scorings` tells, for each segment, the scores of these settings from others'.
    """

    seed: int
    spec_digest: str
    ends: tuple[int, ...]
    scorings: tuple[str, ...]


class Group(Strict):
    """The runs that differ in their seed only: one recipe on one data set.

    `dataset` names the folder of the runs, `dataset_name` the experiment's data set that it is or is used for,
    `trained_on` the title of what is used where that is another; `is_proxy` says that it ships with the project
    and shows that the pipeline works, no more. The changes are phrases such as "batch_size: 16 instead of 32".
    `method` is the row of the published table: a name, or the value of each of its key columns.
    """

    dataset: str
    dataset_name: str
    dataset_label: str
    trained_on: str | None = None
    is_proxy: bool = False
    dataset_changes: tuple[str, ...] = ()
    recipe: str
    recipe_label: str
    recipe_changes: tuple[str, ...] = ()
    method: str | dict[str, str | int | float]
    # How long it was trained, and how long it is by its description, where that is not the spec's.
    iterations: int | None = None
    paper_iterations: int | None = None
    # What its recipe has of the number over which a sweep is drawn.
    value: float | None = None
    # False: the published numbers of the method's row are of another data set.
    is_published: bool = True
    runs: tuple[RunReference, ...]

    @property
    def dataset_title(self) -> str:
        """What the runs were trained on, as it is called beside their numbers."""
        if self.trained_on is None:
            return f"{self.dataset_label} {CHANGED}" if self.dataset_changes else self.dataset_label
        return f"{self.dataset_label} {PROXY}" if self.is_proxy else self.trained_on

    @property
    def recipe_title(self) -> str:
        """The recipe's label, marked where the recipe is not the one that the experiment describes."""
        return f"{self.recipe_label} {CHANGED}" if self.recipe_changes else self.recipe_label

    @property
    def is_changed(self) -> bool:
        """Whether recipe or data set are not what the experiment describes."""
        return bool(self.recipe_changes or self.dataset_changes)

    @property
    def marks(self) -> list[str]:
        """What keeps a result of these runs from being one of the experiment as it is described."""
        data = [] if self.trained_on is None else ["proxy data" if self.is_proxy else "other data"]
        return data + (["changed"] if self.is_changed else [])

    @property
    def is_own_data(self) -> bool:
        """Whether these are other data than the experiment's, and none of the project's proxies."""
        return not self.is_published or (self.trained_on is not None and not self.is_proxy)

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


def changes_of(groups: Iterable[Group]) -> list[str]:
    """What singles out recipes and data sets from what is described, a sentence for all that are changed alike."""
    groups = list(groups)
    recipes = [(group.recipe_changes, f"{group.recipe_label} {CHANGED}") for group in groups]
    datasets = [
        (group.dataset_changes, group.trained_on or f"{group.dataset_label} {CHANGED}") for group in groups
    ]
    alike: dict[tuple[str, ...], dict[str, None]] = {}
    for phrases, title in [*recipes, *datasets]:
        alike.setdefault(phrases, {})[title] = None
    return [f"{', '.join(titles)}: {'; '.join(phrases)}." for phrases, titles in alike.items() if phrases]


class ReportSpec(Strict):
    """One table, figure or list of claims, as the plan hands it to the report."""

    format: Literal[1]
    paper: str
    name: str
    paper_title: str = ""
    # Its place among those that the page shows first.
    highlight: int | None = None
    type: str = Field(alias="kind")
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
    # What scale and configuration change of all of it, as sentences.
    overrides: tuple[str, ...] = ()
    groups: tuple[Group, ...]

    def checkpoint_for(self, iteration: int, checkpoints: Iterable[int]) -> int:
        """The checkpoint nearest to the share of training at which the paper's `iteration` lies."""
        wanted = iteration * self.iterations / (self.paper_iterations or self.iterations)
        return min(checkpoints, key=lambda checkpoint: abs(checkpoint - wanted), default=round(wanted))

    def lengths_of(self, group: Group) -> tuple[int, int | None]:
        """How many iterations a group was trained, and how many it is by its description; None: it says nothing."""
        if group.iterations is not None:
            return group.iterations, group.paper_iterations
        return self.iterations, self.paper_iterations

    @property
    def shortened(self) -> list[str]:
        """How long was trained where that is not as long as the experiment has it, a sentence for each length."""
        labels: dict[tuple[int, int | None], dict[str, None]] = {}
        for group in self.groups:
            labels.setdefault(self.lengths_of(group), {})[group.recipe_label] = None
        return [
            f"Trained for {ours:,} iterations instead of {theirs:,}"
            + (f": {', '.join(of)}." if len(labels) > 1 else ".")
            for (ours, theirs), of in labels.items()
            if theirs and ours != theirs
        ]

    @property
    def replaced(self) -> dict[str, str]:
        """The experiment's data sets for which others were used: label → title of what was used."""
        return {group.dataset_label: group.trained_on for group in self.groups if group.trained_on}

    @property
    def has_proxies(self) -> bool:
        """Whether any of the data only show that the pipeline works."""
        return any(group.is_proxy for group in self.groups)

    @property
    def changes(self) -> list[str]:
        """What singles out recipes and data sets from what the experiment describes."""
        return changes_of(self.groups)

    @property
    def heading(self) -> str:
        """The title, with what it was made on where that is other data than it speaks of."""
        used = list(dict.fromkeys(self.replaced.values()))
        if not used:
            return self.title
        what = used[0] if len(used) == 1 else "proxy data" if self.has_proxies else "other data"
        named = next((name for name in map(_proper_name, self.replaced) if name and name in self.title), None)
        if named is not None:
            return self.title.replace(named, f"{what}{',' * (',' in what)} in place of {named}", 1)
        return f"{self.title}, on {what}"


def _proper_name(label: str) -> str | None:
    """Return the proper name that a data set's title begins with: LSUN bedroom of "LSUN bedroom, 10 %"."""
    name = re.split(r",| and | with", label)[0]
    return name if name[:1].isupper() else None


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
        return OUTPUT_TYPES[spec.type].options.model_validate(spec.options)
    except ValidationError as error:
        raise UserError(_message(f"{spec.paper}/{spec.name}: options", error)) from None


def type_of(spec: ReportSpec, family: Family) -> OutputType:
    """The spec's output type, which must be of this family; UserError names the known ones."""
    known = {name: output for name, output in OUTPUT_TYPES.items() if output.family == family}
    if spec.type not in known:
        raise UserError(
            f"{spec.paper}/{spec.name}: type: unknown type {spec.type!r}{suggestion(spec.type, known)}; "
            f"known types: {', '.join(known)}"
        )
    return known[spec.type]


def _message(name: str, error: ValidationError) -> str:
    """One line for every problem that pydantic found, each with the path of its key."""
    lines = [f"{'.'.join(map(str, e['loc'])) or 'spec'}: {e['msg']}" for e in error.errors()]
    return f"{name}: " + f"\n{name}: ".join(lines)
