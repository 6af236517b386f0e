"""What the scale and the configuration make of a paper's workloads and recipes, and where they depart from it."""

from typing import Any

from gantry.plan.checks import check_method, check_metrics, check_networks, check_sampling
from gantry.plan.configuration import Experiment
from gantry.plan.layering import edited, extended, inherited_changes, laid_over, lineage, merged, own_text
from gantry.plan.overrides import Overrides, Reference
from gantry.plan.problems import Layers
from gantry.plan.recipe import Recipe, Workload
from gantry.plan.sources import Sources


class Resolver:
    """Lays over the text of one paper after another what `sources` say; notes in `overrides` what that changes."""

    def __init__(self, sources: Sources, overrides: Overrides) -> None:
        self.overrides = overrides
        self.sources, self.problems = sources, sources.problems
        self.config, self.scale = sources.config, sources.scale

    def workloads(self, experiment: Experiment, file: str) -> dict[str, Workload]:
        """Lay the scale, then the configuration, over the workloads as the paper has them."""
        features = self.config.features or (self.scale.features if self.scale else None)
        found = {}
        for name, workload in experiment.workloads.items():
            patches = self.sources.workload_patches(name)
            block: Any = workload.model_dump()
            for _, _, patch in reversed(patches):
                block = merged(block, patch)
            key = f"workloads.{name}"
            patched = self.problems.validated(Workload, block, file, key, patches)
            if patched is not None:
                found[name] = patched
                check_metrics(self.problems, patched, features, file, key, patches)
        return found

    def recipes(
        self,
        experiment: Experiment,
        file: str,
        workloads: dict[str, Workload],
        workload_names: set[str],
        reference: Reference,
    ) -> dict[str, Recipe]:
        """Put the configuration's changes into the recipes, resolve `extends`, lay the workload's patch over it.

        A change that the configuration makes to one recipe reaches its heirs, as one in the file does; and it has
        the last word over the scale.
        """
        found = {}
        changes = self.config.recipes
        recipes = {
            name: edited(experiment.recipes, name, changes.get(name, {})) for name in experiment.recipes
        }
        lines = {name: lineage(recipes, name, file, self.problems) for name in recipes}
        spoilt: set[str] = set()  # by a change: what its heirs inherit of that is reported once
        for name, line in sorted(lines.items(), key=lambda item: len(item[1])):
            if spoilt.intersection(line):
                continue
            before = len(self.problems.messages)
            block = extended(recipes, line)
            named = block.get("workload")
            workload = workloads.get(named) if isinstance(named, str) else None
            if workload is None:
                blamed = "config" if "workload" in changes.get(name, {}) else file
                self.problems.expect_known(
                    blamed, f"recipes.{name}.workload", "workload", str(named), workload_names
                )
                spoilt |= {name} & changes.keys()
                continue
            assert isinstance(named, str)
            patches: Layers = [
                *(
                    ("config", f"recipes.{ancestor}", changes[ancestor])
                    for ancestor in line
                    if ancestor in changes
                ),
                *(
                    (patched_in, f"{key}.recipe", patch["recipe"])
                    for patched_in, key, patch in self.sources.workload_patches(named)
                    if "recipe" in patch
                ),
                *((file, f"recipes.{ancestor}", own_text(experiment.recipes[ancestor])) for ancestor in line),
            ]
            last = inherited_changes(experiment.recipes, changes, line)
            patched = laid_over(laid_over(block, workload.recipe), last)
            recipe = self.problems.validated(Recipe, patched, file, f"recipes.{name}", patches)
            if recipe is not None:
                recipe = _in_precision(recipe, self.config.precision or self.sources.precision_of_scale())
                ran_as = workloads.get(recipe.workload, workload)
                found[name] = recipe.until(ran_as.iterations)
                self._note_overrides(name, recipe, ran_as, experiment.workloads[named].recipe, reference)
                self._check_recipe(recipe, file, name, workloads)
            if len(self.problems.messages) > before:
                spoilt |= {name} & changes.keys()
        return {name: found[name] for name in recipes if name in found}

    def _note_overrides(
        self, name: str, used: Recipe, workload: Workload, own: dict[str, Any], reference: Reference
    ) -> None:
        """Note how a recipe and its `workload` depart from what is described; `own`: the patch in the paper's file."""
        described = reference.workload_of(name, workload)
        self.overrides.of_workload(name, described, workload)
        of_scale = self.scale.workloads.get(used.workload, {}).get("recipe", {}) if self.scale else {}
        as_described, at_scale, asked = (
            reference.recipe_of(name, patch)
            for patch in (described.recipe, merged(own, of_scale), workload.recipe)
        )
        usual = None if self.config.precision else self.sources.precision_of_scale()
        at_scale, asked = (recipe and _in_precision(recipe, usual) for recipe in (at_scale, asked))
        self.overrides.of_recipe(name, as_described, at_scale, asked, used)

    def _check_recipe(self, recipe: Recipe, file: str, name: str, workloads: dict[str, Workload]) -> None:
        """Note a workload that the configuration has put in place and that is not there, or does not suit."""
        key, blamed = f"recipes.{name}", "config" if name in self.config.recipes else file
        if (workload := workloads.get(recipe.workload)) is None:
            self.problems.expect_known(blamed, f"{key}.workload", "workload", recipe.workload, workloads)
        else:
            check_networks(self.problems, recipe, workload, blamed, f"{key}.networks.family")
            check_method(self.problems, recipe, workload, blamed, f"{key}.method")
            patches = self.sources.workload_patches(recipe.workload)
            check_sampling(self.problems, recipe, workload, file, patches)


def _in_precision(recipe: Recipe, precision: str | None) -> Recipe:
    """Return the recipe in `precision`, unless it names its own, or is of points and would lose their place.

    A coordinate near 2 in bfloat16 is right to 0.008, a mode 0.22 wide.
    """
    if precision is None or "precision" in recipe.model_fields_set:
        return recipe
    if precision == "bf16" and recipe.networks.makes == "points":
        return recipe
    return recipe.model_copy(update={"precision": precision})
