"""A paper in part: some of its outputs, and what is left of them on some of its data sets or of its recipes."""

from collections.abc import Collection, Iterator
from typing import Literal

from gantry.plan.configuration import Experiment, Output
from gantry.plan.output_types import OUTPUT_TYPES
from gantry.plan.output_types.claims import Claim, ClaimsOptions

# A data set and a recipe that an output shows.
Pair = tuple[str, str]


def selected(experiment: Experiment, names: Collection[str] | Literal["all"]) -> Experiment:
    """The paper with these of its outputs alone, in the paper's order."""
    if names == "all":
        return experiment
    left = {name: output for name, output in experiment.outputs.items() if name in names}
    return experiment.model_copy(update={"outputs": left})


def filtered(
    experiment: Experiment, datasets: Collection[str] | None, recipes: Collection[str] | None
) -> Experiment:
    """The paper with the runs of `recipes` on `datasets` alone (None: of all), without what needs others."""
    left = {name: _filtered(output, datasets, recipes) for name, output in experiment.outputs.items()}
    return experiment.model_copy(
        update={"outputs": {name: output for name, output in left.items() if output}}
    )


def _filtered(
    output: Output, datasets: Collection[str] | None, recipes: Collection[str] | None
) -> Output | None:
    kept = [
        block.model_copy(
            update={
                "datasets": tuple(name for name in block.datasets if datasets is None or name in datasets),
                "recipes": {
                    name: label for name, label in block.recipes.items() if recipes is None or name in recipes
                },
            }
        )
        for block in output.runs
    ]
    blocks = tuple(block for block in kept if block.datasets and block.recipes)
    pairs = {(name, recipe) for block in blocks for name in block.datasets for recipe in block.recipes}
    options = OUTPUT_TYPES[output.type].options.model_validate(output.options)
    left = output.model_copy(update={"runs": blocks})
    if isinstance(options, ClaimsOptions):
        claims = [claim.model_dump(exclude_defaults=True) for claim in _filtered_claims(options, pairs)]
        return left.model_copy(update={"options": output.options | {"claims": claims}}) if claims else None
    shown = {recipe for _, recipe in pairs}
    # An order of recipes, or groups of them, that lacks some would say something else than the paper does.
    return left if blocks and all(recipe in shown for _, recipe in options.recipes()) else None


def _filtered_claims(options: ClaimsOptions, pairs: Collection[Pair]) -> Iterator[Claim]:
    """The claims, with as many of their data sets and baselines as are left; none of which a side is gone."""
    shown = {recipe for _, recipe in pairs}
    for claim in options.claims:
        each = {
            name: published
            for name, published in claim.each.items()
            if all((name, side.recipe) in pairs for side in claim.sides)
        }
        baselines = {recipe: published for recipe, published in claim.baselines.items() if recipe in shown}
        left = claim.model_copy(update={"each": each, "baselines": baselines})
        there = all((side.dataset, side.recipe) in pairs for side in left.sides if side.dataset)
        there &= all(side.recipe in shown for side in left.sides)
        if there and bool(each) == bool(claim.each) and bool(baselines) == bool(claim.baselines):
            yield left
