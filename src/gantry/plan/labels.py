"""Labels of recipes that hold settings: `λ = {terms.entropy_distance.weight}` is filled in as the recipe has it.

So a row says what was trained, whatever a scale or a user changes.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from gantry.plan.configuration import Experiment, Runs
from gantry.plan.overrides import text_of
from gantry.plan.recipe import Recipe

SETTING = re.compile(r"\{([a-z]\w*(?:\.\w+)*)\}")


def labelled(experiment: Experiment, recipes: Mapping[str, Recipe]) -> Experiment:
    """Return the experiment with the settings of its recipes in their labels."""
    outputs = {
        name: output.model_copy(update={"runs": tuple(_filled(block, recipes) for block in output.runs)})
        for name, output in experiment.outputs.items()
    }
    return experiment.model_copy(update={"outputs": outputs})


def _filled(block: Runs, recipes: Mapping[str, Recipe]) -> Runs:
    """Fill in the labels of one block; those that become the same have their recipes' names beside them."""
    if not any(map(SETTING.search, block.recipes.values())):
        return block
    labels = {name: _said(label, recipes[name]) for name, label in block.recipes.items()}
    return block.model_copy(update={"recipes": distinct(labels)})


def _said(label: str, recipe: Recipe) -> str:
    def text(found: re.Match[str]) -> str:
        try:
            return text_of(recipe.setting(found[1]))
        except KeyError:  # a scale or a user has made something else of the recipe
            return text_of(None)

    return SETTING.sub(text, label)


def missing_settings(label: str, recipe: Recipe) -> Iterator[str]:
    """Yield the keys in a label of what the recipe has not."""
    for key in SETTING.findall(label):
        try:
            recipe.setting(key)
        except KeyError:
            yield key


def distinct(labels: Mapping[str, str]) -> dict[str, str]:
    """The recipes' labels, with the recipe's name beside one that several have."""
    times = Counter(labels.values())
    return {recipe: f"{label} ({recipe})" if times[label] > 1 else label for recipe, label in labels.items()}
