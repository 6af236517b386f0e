"""What a configuration changes of an experiment as its file describes it, in words that stand beside the numbers.

Everything is compared as it was resolved, so that it does not matter where a change was written: on the command
line, in a file that is given to it, in a scale, or in an experiment that is based on another.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from gantry.plan.configuration import Experiment
from gantry.plan.dataset import DatasetSpec
from gantry.plan.layering import extended, laid_over, lineage, with_variants
from gantry.plan.problems import Problems
from gantry.plan.recipe import Recipe, Workload

# What is said of a workload's length and size; the rest of it names what is shown, which a reader sees.
SIZES = {
    "extended_iterations": "continued up to",
    "checkpoint_every": "iterations between checkpoints",
    "resolution": "resolution",
    "samples": "scored samples",
    "inception_splits": "splits of the class score",
}


@dataclass
class Overrides:
    """Changes by recipe, workload and data set; each is a phrase: "batch_size: 16 instead of 32".

    recipes: what singles a recipe out, so that its row is not the experiment's. settings: what a scale or a
    workload changes of the recipe, as of many others. sizes: of a workload's length and size. datasets: of what a
    data set consists of. replaced: data sets of which the files are others altogether, and what they are called.
    """

    recipes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    settings: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sizes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    datasets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    replaced: dict[str, str] = field(default_factory=dict)

    def of_recipe(self, name: str, described: Recipe | None, at_scale: Recipe | None, used: Recipe) -> None:
        """Note how the recipe in use departs from the scale's, and the scale's from the described one."""
        if at_scale is not None and (found := differences(at_scale, used)):
            self.recipes[name] = found
        if described is not None and at_scale is not None and (found := differences(described, at_scale)):
            self.settings[name] = found

    def of_workload(self, name: str, described: Workload, used: Workload) -> None:
        """Note what else than its iterations a workload's size differs in."""
        before, after = described.model_dump(), used.model_dump()
        self.sizes[name] = tuple(
            _phrase(title, before[key], after[key])
            if after[key] is not None
            else f"not {title} {_text(before[key])} iterations"
            for key, title in SIZES.items()
            if before[key] != after[key]
        )

    def of_dataset(self, name: str, described: DatasetSpec, used: DatasetSpec) -> None:
        """Note how a data set's contents differ from what its name stands for."""
        before, after = described.identity(None), used.identity(None)
        found = _between(flat(before), flat(after))
        if found:
            self.datasets[name] = found
        if described.source != used.source:
            own = used.title if used.title != described.title else f"images of {Path(used.path or name).name}"
            self.replaced[name] = own


@dataclass(frozen=True)
class Reference:
    """The experiment that recipes are held against, and what each of ours is called there."""

    recipes: dict[str, dict[str, Any]]
    workloads: dict[str, Workload]
    names: dict[str, str]

    @classmethod
    def itself(cls, experiment: Experiment) -> "Reference":
        """An experiment of its own: only what is laid over its file can change it."""
        return cls(experiment.recipes, experiment.workloads, {name: name for name in experiment.recipes})

    @classmethod
    def of(cls, experiment: Experiment, described: Experiment) -> "Reference":
        """The experiment that `experiment` is based on, or whose published numbers it shows.

        Recipes correspond by the row of published numbers, or else by name; the others are the experiment's own.
        """
        described = with_variants(described)
        rows = {row: recipe for recipe, row in _rows(described)}
        names = {name: name for name in experiment.recipes}
        names |= {recipe: rows[row] for recipe, row in _rows(experiment) if row in rows}
        recipes = experiment.recipes | described.recipes
        return cls(recipes, experiment.workloads | described.workloads, names)

    def recipes_of(self, name: str, workload: Workload) -> tuple[Recipe | None, Recipe | None]:
        """Return the recipe as it is described, and as `workload` (the scale's) has it; None if it is unsound."""
        block = extended(self.recipes, lineage(self.recipes, self.names[name], "", Problems()))
        described = self.workloads.get(str(block.get("workload")), workload)
        return _sound(block, described.recipe), _sound(block, workload.recipe)


def _rows(experiment: Experiment) -> list[tuple[str, tuple[str, str]]]:
    """Return (recipe, its row of published numbers) for every output that shows such numbers."""
    return [
        (recipe, (output.published, str(output.methods.get(recipe, recipe))))
        for output in experiment.outputs.values()
        if output.published
        for block in output.runs
        for recipe in block.recipes
    ]


def _sound(block: dict[str, Any], patch: dict[str, Any]) -> Recipe | None:
    try:
        return Recipe.model_validate(laid_over(block, patch))
    except ValidationError:
        return None


def differences(before: BaseModel, after: BaseModel) -> tuple[str, ...]:
    """Return a phrase for each setting that `after` has otherwise than `before`, defaults included."""
    if before == after:
        return ()
    return _between(*(flat(model.model_dump(mode="json")) for model in (before, after)))


def _between(before: dict[str, Any], after: dict[str, Any]) -> tuple[str, ...]:
    changed = [key for key in dict.fromkeys((*before, *after)) if before.get(key) != after.get(key)]
    # Another family or objective has other settings: its name says so.
    tags = {key.rpartition(".")[0] for key in changed if key.endswith((".family", ".name"))}
    return tuple(
        _phrase(key, before.get(key), after.get(key))
        for key in changed
        if key.rpartition(".")[0] not in tags or key.endswith((".family", ".name"))
    )


def _phrase(key: str, before: Any, after: Any) -> str:
    return f"{key}: {_text(after)} instead of {_text(before)}"


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,}" if isinstance(value, int) else f"{value:g}"
    return ", ".join(map(_text, value)) if isinstance(value, list | tuple) else str(value)


def flat(block: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested mapping with dotted keys."""
    found: dict[str, Any] = {}
    for key, value in block.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found
