"""How one text is laid over another: settings, patches, `extends` and variants."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import yaml

from gantry.errors import UserError, suggestion
from gantry.plan.configuration import Experiment
from gantry.plan.dataset import DatasetSpec
from gantry.plan.problems import Problems
from gantry.plan.reading import parse_yaml

# Keys of a recipe that speak of its sources and change no run: who published it, what of its settings was found
# to be so and where, and what was not found.
ON_SOURCES = ("source", "checked", "unchecked")


def variant_name(recipe: str, variant: str) -> str:
    """The name of a recipe with a variant's change laid over it."""
    return f"{recipe}_{variant}"


def with_variants(experiment: Experiment) -> Experiment:
    """Write out what outputs ask for as variants: `variants: [two]` adds recipe `r_two` beside each `r`.

    It extends `r` by the change that `variants.two` describes. A variant that is not described adds nothing.
    """
    recipes, outputs = dict(experiment.recipes), {}
    for name, output in experiment.outputs.items():
        blocks = []
        for block in output.runs:
            labels = dict(block.recipes)
            for added in block.variants:
                if (variant := experiment.variants.get(added)) is None:
                    continue
                for recipe, label in block.recipes.items():
                    labels[variant_name(recipe, added)] = f"{label}, {variant.label}"
                    recipes.setdefault(variant_name(recipe, added), {"extends": recipe} | variant.recipe)
            blocks.append(block.model_copy(update={"recipes": labels}))
        outputs[name] = output.model_copy(update={"runs": tuple(blocks)})
    return experiment.model_copy(update={"recipes": recipes, "outputs": outputs})


def merged(base: Any, patch: Any) -> Any:
    """Return `base` with `patch` laid over it; mappings are merged key by key, all else is replaced."""
    if not (isinstance(base, dict) and isinstance(patch, dict)):
        return patch
    return base | {key: merged(base.get(key), value) for key, value in patch.items()}


def with_settings(given: dict[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """Lay settings written as `key=value`, as on a command line, over a configuration; values are YAML.

    Raises UserError for a setting that is not written so.
    """
    for setting in settings:
        key, separator, value = setting.partition("=")
        if not separator:
            raise UserError(f"{setting!r}: write settings as key=value, e.g. scale=quick")
        try:
            given = merged(given, {key: parse_yaml(value)})
        except yaml.YAMLError as error:
            said = getattr(error, "problem", None)
            why = f" ({said})" if said else ""
            raise UserError(
                f"{setting!r}: the value is not YAML{why}; quote it, e.g. 'seeds=[0, 1]'"
            ) from None
    return given


# Blocks of a recipe, and the key whose value says which model's options the others are.
TAGGED = (("networks", "family"), ("objective", "name"))


def laid_over(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Return the recipe `base` with `own` over it.

    A block whose family or name changes starts afresh: what `base` says there belongs to another model.
    """
    base = dict(base)
    for block, tag in TAGGED:
        before, after = base.get(block), own.get(block)
        if (
            isinstance(before, dict)
            and isinstance(after, dict)
            and after.get(tag, before.get(tag)) != before.get(tag)
        ):
            del base[block]
    return cast(dict[str, Any], merged(base, own))


def lineage(recipes: dict[str, dict[str, Any]], name: str, file: str, problems: Problems) -> list[str]:
    """Return the recipe `name` and those that it inherits from through `extends`, nearest first.

    Of several parents the last is the nearest. An ancestor that two of them share stands behind both, so that what
    one of them changes of it is not undone by the other.
    """
    line = _ancestors(recipes, name, (), file, problems)
    return list(reversed(dict.fromkeys(reversed(line))))


def _ancestors(
    recipes: dict[str, dict[str, Any]], name: str, heirs: tuple[str, ...], file: str, problems: Problems
) -> list[str]:
    """The recipe and its parents, the last first, each followed by its own; an ancestor of several comes as often."""
    line, key = [name], f"recipes.{name}.extends"
    given = recipes[name].get("extends")
    parents = given if isinstance(given, list) else [] if given is None else [given]
    for parent in reversed(parents):
        if not isinstance(parent, str) or parent not in recipes:
            known = ", ".join(sorted(recipes))
            problems.add(
                file, key, f"unknown recipe {parent!r}{suggestion(str(parent), recipes)}; known: {known}"
            )
        elif parent in (*heirs, name):
            problems.add(file, key, f"circular: {' → '.join((*heirs, name, parent))}")
        else:
            line += _ancestors(recipes, parent, (*heirs, name), file, problems)
    return line


def own_text(recipe: dict[str, Any]) -> dict[str, Any]:
    """What a recipe says of its training, without where the rest comes from and what is said of its sources."""
    return {key: value for key, value in recipe.items() if key not in ("extends", *ON_SOURCES)}


def extended(recipes: dict[str, dict[str, Any]], line: Sequence[str]) -> dict[str, Any]:
    """Return the first recipe of a lineage with everything it inherits."""
    whole: dict[str, Any] = {}
    for name in reversed(line):
        whole = laid_over(whole, own_text(recipes[name]))
    return whole


def edited(recipes: dict[str, dict[str, Any]], name: str, change: dict[str, Any]) -> dict[str, Any]:
    """Return the recipe's own text with `change` made to it, as if it stood in the file.

    A block that becomes another model's starts afresh, whether the old one's name stands in the text or is inherited.
    """
    text = dict(recipes[name])
    if change:
        whole = extended(recipes, lineage(recipes, name, "", Problems()))
        for block, tag in TAGGED:
            before, after = whole.get(block), change.get(block)
            tags = [side.get(tag) for side in (before, after) if isinstance(side, dict)]
            if len(tags) == 2 and tags[1] not in (None, tags[0]):
                text.pop(block, None)
    return cast(dict[str, Any], merged(text, change))


def inherited_changes(
    recipes: dict[str, dict[str, Any]], changes: dict[str, dict[str, Any]], line: Sequence[str]
) -> dict[str, Any]:
    """Return what of the changes to the recipes of a lineage reaches its first: all that no heir says itself."""
    found: dict[str, Any] = {}
    for name in reversed(line):
        found = _without(found, own_text(recipes[name]))
        found = laid_over(found, own_text(changes.get(name, {})))
    return found


def _without(base: dict[str, Any], text: dict[str, Any]) -> dict[str, Any]:
    """Return `base` without what `text` says; a block that `text` gives to another model goes as a whole."""
    left: dict[str, Any] = {}
    tags = dict(TAGGED)
    for key, value in base.items():
        if key not in text:
            left[key] = value
        elif isinstance(value, dict) and isinstance(text[key], dict) and tags.get(key) not in text[key]:
            left[key] = _without(value, text[key])
    return left


def read_datasets(
    path: Path, papers: Mapping[str, dict[str, Any]], patches: dict[str, dict[str, Any]], problems: Problems
) -> tuple[dict[str, DatasetSpec], list[str], dict[str, DatasetSpec]]:
    """Read workflow/datasets.yaml, the sets that experiments describe, and the configuration's laid over both.

    `papers` are the texts of the experiments, by their file. Returns the sound ones, the names of all that are
    described, and those that a patch changes as they were.
    """
    shown = "workflow/datasets.yaml"
    known = problems.read(path, shown)
    found_in = dict.fromkeys(known, shown)
    for file, text in papers.items():
        own_sets = text.get("datasets")
        for name, block in own_sets.items() if isinstance(own_sets, dict) else ():
            if known.setdefault(name, block) != block:
                problems.add(
                    file,
                    f"datasets.{name}",
                    f"{found_in[name]} has something else of this name: choose another",
                )
            found_in.setdefault(name, file)
    described = merged(known, patches)
    specs, before = {}, {}
    for name, block in described.items():
        key = f"datasets.{name}"
        file = found_in.get(name, "config")
        own = [("config", key, patches[name])] if name in patches else []
        spec = problems.validated(DatasetSpec, block, file, str(name) if file == shown else key, own)
        if spec is not None:
            specs[name] = spec
            if name in patches and name in known:
                before[name] = DatasetSpec.model_validate(known[name])
    return specs, list(described), before
