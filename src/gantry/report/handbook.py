"""docs/methods.md, made of the recipes: each method's equations, settings, source, numbers and picture.

The equations stand in data files beside the code that computes them. What depends on results stands between
markers, and stays as it is where there are no results to make it anew.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

import gantry
from gantry.errors import UserError
from gantry.files import write_text
from gantry.plan import Plan
from gantry.plan.configuration import Experiment
from gantry.plan.layering import extended, lineage, own_text
from gantry.plan.problems import Problems
from gantry.plan.recipe import Recipe
from gantry.report.handbook_results import results_of

EQUATIONS = ("objectives", "terms", "training")
# The outputs whose groups are the handbook's sections.
SECTIONS = "method_times"
LOSSES = {"discriminator": "L_D", "generator": "L_G"}
FOUND = {"checked": "Checked in", "unchecked": "Not checked"}
MADE_BY = "<!-- Made by: gantry handbook"
RESULTS = re.compile(r"<!-- results of (\S+) -->\n(.*?)<!-- end of results -->\n", re.DOTALL)


@dataclass(frozen=True)
class Entry:
    """Equations, and what their signs mean, of the recipes in which all of `when` holds."""

    when: dict[str, Any]
    losses: dict[str, str]
    where: str

    def speaks_of(self, block: dict[str, Any], own: dict[str, Any]) -> bool:
        """Whether all of `when` holds in a recipe, `own` being what of it differs from the defaults."""
        return all(
            bool(_at(own, path)) if value == "given" else _at(block, path) in _listed(value)
            for path, value in self.when.items()
        )


@cache
def entries() -> tuple[Entry, ...]:
    """The entries of all rooms, in their order."""
    found = []
    for room in EQUATIONS:
        file = Path(gantry.__file__).parent / room / "equations.yaml"
        for block in yaml.safe_load(file.read_text(encoding="utf-8")):
            losses = {player: block[player] for player in LOSSES if player in block}
            found.append(Entry(block["when"], losses, block.get("where", "")))
    return tuple(found)


def equations_of(recipe: Recipe) -> list[Entry]:
    """The entries that speak of `recipe`."""
    block, own = recipe.model_dump(), recipe.model_dump(exclude_defaults=True)
    return [entry for entry in entries() if entry.speaks_of(block, own)]


def write_handbook(plan: Plan, paper: str, out: Path) -> None:
    """Write `out` and, in the folder of its name beside it, the pictures of the methods that are trained."""
    before = out.read_text(encoding="utf-8") if out.is_file() else ""
    if before and not before.startswith(MADE_BY):
        raise UserError(f"--out: {out} is there, and no handbook of `gantry handbook`: give another name")
    kept = dict(RESULTS.findall(before))
    made = results_of(plan, paper, out)
    write_text(out, "\n".join(_lines(plan.experiments[paper], paper, kept | made)))


def _lines(experiment: Experiment, paper: str, results: dict[str, str]) -> Iterator[str]:
    yield f"{MADE_BY} --paper {paper}. The recipes are in workflow/experiments/{paper}.yaml. -->"
    yield "# The methods of the wider family\n"
    yield (
        "Each method is a recipe of a few lines over another one. $D$ is the discriminator's raw output, $\\sigma$ the "
        "sigmoid, $x$ a real sample and $z$ the latent, $\\lambda$ the weight of a term; where there are several "
        'generators, losses are summed over them. Settings that are marked "here" are this project\'s own. '
        "Under each method stands in which text or code its settings and the places in its paper were looked up (of "
        "a repository: owner/name on GitHub, and the file), and which of them were not found and are from memory.\n"
    )
    for output in experiment.outputs.values():
        if output.type != SECTIONS:
            continue
        labels = {recipe: label for block in output.runs for recipe, label in block.recipes.items()}
        for group, recipes in output.options["groups"].items():
            yield f"## {group}, on {', '.join(output.runs[0].datasets)}\n"
            for recipe in recipes:
                yield from _method(experiment, paper, recipe, labels[recipe])
                yield f"<!-- results of {recipe} -->\n{results.get(recipe, '')}<!-- end of results -->\n"
    yield from _variants(experiment, paper)


def _method(experiment: Experiment, paper: str, name: str, label: str) -> Iterator[str]:
    recipe = resolved(experiment, paper, name)
    said = experiment.recipes[name]
    where = f"workflow/experiments/{paper}.yaml: recipes.{name}"
    if not isinstance(said.get("source"), str):
        raise UserError(f"{where}.source: say who published the method")
    if not (said.get("checked") or said.get("unchecked")):
        raise UserError(
            f"{where}: say what of its settings was checked, and where (checked), or what was not (unchecked)"
        )
    yield f"### {label}\n"
    yield f"{said['source']}.\n"
    yield from (f"{title}: {said[key]}.\n" for key, title in FOUND.items() if key in said)
    yield from _equations(equations_of(recipe))
    yield _settings(recipe) + "\n"
    yield _yaml({name: _without_source(experiment.recipes[name])})


def resolved(experiment: Experiment, paper: str, name: str) -> Recipe:
    """A recipe with what it inherits, as the paper has it; UserError for what no plan would take either."""
    problems = Problems()
    file = f"workflow/experiments/{paper}.yaml"
    block = extended(experiment.recipes, lineage(experiment.recipes, name, file, problems))
    recipe = problems.validated(Recipe, block, file, f"recipes.{name}")
    problems.raise_if_any()
    assert recipe is not None
    return recipe


def _equations(found: list[Entry]) -> Iterator[str]:
    lines = []
    for player, sign in LOSSES.items():
        parts = [entry.losses[player] for entry in found if player in entry.losses]
        lines += [f"{sign} &= {' '.join(parts)}"] if parts else []
    body = " \\\\\n".join(lines)
    yield f"```math\n\\begin{{aligned}}\n{body}\n\\end{{aligned}}\n```\n"
    where = " ".join(entry.where for entry in found if entry.where)
    if where:
        yield f"{where}\n"


def _settings(recipe: Recipe) -> str:
    """The settings that every method has, in one line."""
    optimiser, updates = recipe.optimiser, recipe.updates
    rates = [f"{optimiser.lr_g:g} for G"] + ([f"{optimiser.lr_d:g} for D"] if updates.discriminator else [])
    betas = f", β = {optimiser.betas}" if optimiser.name in ("adam", "oadam") else ""
    return (
        f"Networks {recipe.networks.family}; {optimiser.name}, {' and '.join(rates)}{betas}; updates of D and G in an "
        f"iteration: {updates.discriminator} and {updates.generator}; batches of {recipe.batch_size}"
        f"{_changing(recipe)}."
    )


def _changing(recipe: Recipe) -> str:
    """What differs between phases, or changes with the iterations."""
    larger = [f"{times} times as large for the {phase}" for phase, times in recipe.batch_multiples.items()]
    schedule = recipe.optimiser.schedule
    falling = [f"rates {schedule.words()}"] if schedule else []
    falling += [f"that of the {phase} {own.words()}" for phase, own in recipe.optimiser.schedules.items()]
    return "".join(f", {part}" for part in larger) + "".join(f"; {part}" for part in falling)


def _variants(experiment: Experiment, paper: str) -> Iterator[str]:
    """What is laid over several methods, with the equations that it brings."""
    if experiment.variants:
        yield "## Laid over several methods\n"
    for name, variant in experiment.variants.items():
        made = next((recipe for recipe in experiment.recipes if recipe.endswith(f"_{name}")), None)
        yield f"### {variant.label[0].upper()}{variant.label[1:]}\n"
        if made is not None:
            plain = equations_of(resolved(experiment, paper, experiment.recipes[made]["extends"]))
            own = equations_of(resolved(experiment, paper, made))
            brought = [equation for equation in own if equation not in plain]
            if brought:
                yield from _equations(brought)
        yield _yaml({name: variant.recipe})


def _yaml(block: dict[str, Any]) -> str:
    text = yaml.safe_dump(block, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)
    return f"```yaml\n{text}```\n"


def _without_source(recipe: dict[str, Any]) -> dict[str, Any]:
    extends = {"extends": recipe["extends"]} if "extends" in recipe else {}
    return extends | own_text(recipe)


def _at(block: dict[str, Any], path: str) -> Any:
    """The value at a dotted path, None where there is none; a block with a weight of 0 counts as none."""
    value: Any = block
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
