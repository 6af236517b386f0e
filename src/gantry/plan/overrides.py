"""What a configuration changes of an experiment as its file describes it, in words that stand beside the numbers.

Everything is compared as it was resolved, so that it does not matter where a change was written: on the command
line, in a file that is given to it, in a scale, or in an experiment that is based on another.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gantry.plan.configuration import Experiment, Output
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
# The parts of a recipe that make it the method that it is called.
METHOD = ("objective", "terms", "generators", "latent")


@dataclass
class Overrides:
    """Changes by recipe and data set; each is a phrase: "batch_size: 16 instead of 32".

    recipes: what singles a recipe out, so that its row is not the experiment's. settings: what a scale or a
    workload changes of the recipe's size, as of many others. lengths: the recipe's workload as it is described.
    sizes: what else than its iterations differs of it. datasets: of what a data set consists of. replaced: data sets
    of which the files are others altogether, and what they are called; titles: what those are called in the
    experiment. others: (paper, output, data set) whose row of published numbers is of another data set.
    """

    recipes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    settings: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lengths: dict[str, Workload] = field(default_factory=dict)
    sizes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    datasets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    replaced: dict[str, str] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    others: set[tuple[str, str, str]] = field(default_factory=set)

    def of_recipe(
        self,
        name: str,
        described: Recipe | None,
        at_scale: Recipe | None,
        asked: Recipe | None,
        used: Recipe,
    ) -> None:
        """Note how the recipe in use departs from the described one.

        `at_scale` is the described one with the scale's change to its workload, `asked` with the configuration's as
        well. What a workload makes another method of it, such as another objective, singles it out as well as a change
        to the recipe itself; what the configuration changes there does unless it is of size.
        """
        if asked is None:
            return
        singled: list[str] = []
        common: list[str] = []
        if described is not None:
            by_config = differences(at_scale, asked) if at_scale is not None else {}
            for key, phrase in differences(described, asked).items():
                is_method = key.partition(".")[0] in METHOD or (key in by_config and not _is_of_size(key))
                (singled if is_method else common).append(phrase)
        singled += differences(asked, used).values()
        if singled:
            self.recipes[name] = tuple(singled)
        if common:
            self.settings[name] = tuple(common)

    def of_workload(self, recipe: str, described: Workload, used: Workload) -> None:
        """Note the length of a recipe's workload as described, and what else of its size differs."""
        self.lengths[recipe] = described
        before, after = described.model_dump(), used.model_dump()
        self.sizes[recipe] = tuple(
            _phrase(title, before[key], after[key])
            if after[key] is not None
            else f"not {title} {text_of(before[key])} iterations"
            for key, title in SIZES.items()
            if before[key] != after[key]
        )

    def of_dataset(self, name: str, described: DatasetSpec, used: DatasetSpec) -> None:
        """Note how a data set's contents differ from what its name stands for."""
        before, after = described.identity(None), used.identity(None)
        found = tuple(_between(flat(before), flat(after)).values())
        if described.source != used.source:
            own = used.title if used.title != described.title else f"images of {Path(used.path or name).name}"
            self.replaced[name], self.titles[name] = own, described.title
        elif described.title != used.title:
            found = (*found, _phrase("title", described.title, used.title))
        if found:
            self.datasets[name] = found


@dataclass(frozen=True)
class Reference:
    """The experiment that recipes are held against, and what each of ours is called there.

    published: the data sets of the rows of each file of published numbers; None where the experiment is its own.
    """

    recipes: dict[str, dict[str, Any]]
    workloads: dict[str, Workload]
    names: dict[str, str]
    published: dict[str, set[str]] | None = None

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
        published: dict[str, set[str]] = {}
        for output in described.outputs.values():
            if output.published:
                named = {dataset for block in output.runs for dataset in block.datasets}
                published.setdefault(output.published, set()).update(named)
        return cls(recipes, experiment.workloads | described.workloads, names, published)

    def _block(self, name: str) -> dict[str, Any]:
        return extended(self.recipes, lineage(self.recipes, self.names[name], "", Problems()))

    def workload_of(self, name: str, usual: Workload) -> Workload:
        """Return the workload of the recipe as it is described."""
        return self.workloads.get(str(self._block(name).get("workload")), usual)

    def recipe_of(self, name: str, patch: dict[str, Any]) -> Recipe | None:
        """Return the recipe as it is described, with a workload's `patch` laid over it; None if it is unsound."""
        return _sound(self._block(name), patch)

    def has_published(self, output: Output, dataset: str) -> bool:
        """Whether the numbers beside this output may be of that data set."""
        known = (self.published or {}).get(output.published or "")
        return known is None or dataset in known


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


def differences(before: Recipe, after: Recipe) -> dict[str, str]:
    """Return a phrase for each setting, by its key, that `after` has otherwise than `before`, defaults included.

    Not for its workload's name: what that changes of length and size is told apart.
    """
    if before == after:
        return {}
    was, has = (flat(recipe.model_dump(mode="json", exclude={"workload"})) for recipe in (before, after))
    chosen = after.model_dump(mode="json", exclude={"workload"}, exclude_defaults=True)
    return _between(was, has, flat(chosen))


def _is_of_size(key: str) -> bool:
    """Whether a setting of a recipe says how large its networks and batches are, and not what method it is."""
    return key in ("batch_size", "precision") or (key.startswith("networks.") and key != "networks.family")


def _between(before: dict[str, Any], after: dict[str, Any], chosen: Collection[str] = ()) -> dict[str, str]:
    """Phrases of what differs; of another family or objective, those of its settings that are `chosen`, not usual."""
    changed = [key for key in dict.fromkeys((*before, *after)) if before.get(key) != after.get(key)]
    names = (".family", ".name")
    tags = {key.rpartition(".")[0] for key in changed if key.endswith(names)}
    found = {
        key: _phrase(key, before.get(key), after.get(key))
        for key in changed
        if key.rpartition(".")[0] not in tags or key.endswith(names)
    }
    # The settings of what was there before say nothing of what is there now.
    return found | {
        key: f"{key}: {text_of(after[key])}"
        for key in chosen
        if key.rpartition(".")[0] in tags and not key.endswith(names)
    }


def _phrase(key: str, before: Any, after: Any) -> str:
    return f"{key}: {text_of(after)} instead of {text_of(before)}"


def text_of(value: Any) -> str:
    """Return a setting as it is said to a reader: 4,000, 0.0001, "0.5, 0.9", yes, none."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,}" if isinstance(value, int) else f"{value:g}"
    return (", ".join(map(text_of, value)) or "none") if isinstance(value, list | tuple) else str(value)


def flat(block: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested mapping with dotted keys."""
    found: dict[str, Any] = {}
    for key, value in block.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found
