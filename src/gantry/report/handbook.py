"""docs/methods/, made of the recipes: each method's equations, settings, source, row and picture.

The equations stand in data files beside the code that computes them. What depends on results stands between
markers, and stays as it is where there are no results to make it anew.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, reduce
from pathlib import Path
from typing import Any

import yaml

import gantry
from gantry.errors import UserError
from gantry.files import write_text
from gantry.plan import Plan
from gantry.plan.configuration import Experiment
from gantry.plan.labels import distinct
from gantry.plan.layering import extended, laid_over, lineage, own_text
from gantry.plan.problems import Problems
from gantry.plan.recipe import Recipe
from gantry.report.handbook_results import results_of

# Files of equations, in the order in which what they say is put together.
EQUATIONS = (
    "objectives/equations.yaml",
    "methods/equations/*.yaml",
    "terms/equations.yaml",
    "training/equations.yaml",
)
# Outputs whose groups are the handbook's sections; without such, every table of scores is one.
SECTIONS, TABLE = "method_times", "scores"
LOSSES = {
    "discriminator": "L_D",
    "messenger": "L_M",
    "code_discriminator": "L_{D_c}",
    "generator": "L_G",
    "encoder": "L_E",
    "classifier": "L_C",
}
OF_OBJECTIVE = "<adv>"
FOUND = {"checked": "Checked in", "unchecked": "Not checked"}
MADE_BY = "<!-- Made by: gantry handbook"
PAPER = re.compile(rf"{MADE_BY} --paper (\w+)\.")
RESULTS = re.compile(r"<!-- results of (\S+) -->\n(.*?)<!-- end of results -->\n", re.DOTALL)


@dataclass(frozen=True)
class Entry:
    """Equations, and what their signs mean, of the recipes in which all of `when` holds."""

    when: dict[str, Any]
    losses: dict[str, str | None]
    where: str

    def speaks_of(self, block: dict[str, Any], own: dict[str, Any]) -> bool:
        """Whether all of `when` holds in a recipe, `own` being what of it differs from the defaults."""
        return all(
            bool(_at(own, path))
            if value == "given"
            else bool(_at(block, path))
            if value == "nonzero"
            else _at(block, path) in _listed(value)
            for path, value in self.when.items()
        )


@cache
def entries() -> tuple[Entry, ...]:
    """The entries of all files, in their order."""
    found = []
    package = Path(gantry.__file__).parent
    for file in (file for pattern in EQUATIONS for file in sorted(package.glob(pattern))):
        for block in yaml.safe_load(file.read_text(encoding="utf-8")):
            when, where = block.pop("when"), block.pop("where", "")
            if unknown := block.keys() - LOSSES.keys():
                raise ValueError(f"{file}: {when}: no sign for the loss of {', '.join(sorted(unknown))}")
            found.append(Entry(when, block, where))
    return tuple(found)


def equations_of(recipe: Recipe) -> list[Entry]:
    """The entries that speak of `recipe`."""
    block, own = recipe.model_dump(), recipe.model_dump(exclude_defaults=True)
    return [entry for entry in entries() if entry.speaks_of(block, own)]


def pages(folder: Path) -> dict[str, Path]:
    """The pages of handbooks in a folder, by their papers."""
    first = {
        page: page.read_text(encoding="utf-8").partition("\n")[0] for page in sorted(folder.glob("*.md"))
    }
    return {found[1]: page for page, line in first.items() if (found := PAPER.match(line))}


def write_handbook(plan: Plan, paper: str, out: Path, described: Experiment | None = None) -> None:
    """Write `out` and, in the folder of its name beside it, the pictures of the methods that are trained.

    Results are the plan's; methods are those of `described`, the whole paper, where the plan has but a part of it.
    """
    before = out.read_text(encoding="utf-8") if out.is_file() else ""
    if before and not before.startswith(MADE_BY):
        raise UserError(f"--out: {out} is there, and no handbook of `gantry handbook`: give another name")
    kept = dict(RESULTS.findall(before))
    made = results_of(plan, paper, out)
    write_text(out, "\n".join(_lines(described or plan.experiments[paper], paper, kept | made)))


def _lines(experiment: Experiment, paper: str, results: dict[str, str]) -> Iterator[str]:
    yield f"{MADE_BY} --paper {paper}. The recipes are in workflow/experiments/{paper}.yaml. -->"
    yield f"# {experiment.title}: the methods\n"
    yield (
        "Each method is a recipe of a few lines over another one. $D$ is the discriminator's raw output, $\\sigma$ the "
        "sigmoid, $x$ a real sample and $z$ the latent, $\\lambda$ the weight of a term; where there are several "
        "generators, losses are summed over them. Of further players, $L_E$ is the loss of an encoder, $L_C$ that of a "
        "classifier, $L_{D_c}$ that of a discriminator of codes. "
        'Settings that are marked "here" are this project\'s own. '
        "Under each method stands in which text or code its settings and the places in its paper were looked up (of "
        "a repository: owner/name on GitHub, and the file), and which of them were not found and are from memory.\n"
    )
    headings = _headings(experiment)
    told: dict[str, str] = {}
    for title, labels in _sections(experiment):
        new = [recipe for recipe in labels if recipe not in told]
        if new:
            yield f"## {title}\n"
        for recipe in new:
            yield from _method(experiment, paper, recipe, headings[recipe], told)
            told[recipe] = headings[recipe]
            yield f"<!-- results of {recipe} -->\n{results.get(recipe, '')}<!-- end of results -->\n"
    yield from _variants(experiment, paper)


def _sections(experiment: Experiment) -> Iterator[tuple[str, dict[str, str]]]:
    """Titles, recipes and their labels: the groups of the tables that have some, or else every table of scores."""
    grouped = [output for output in experiment.outputs.values() if output.type == SECTIONS]
    for output in grouped or experiment.outputs.values():
        labels = {recipe: label for block in output.runs for recipe, label in block.recipes.items()}
        if output.type == SECTIONS:
            for group, recipes in output.options["groups"].items():
                title = f"{group}, on {', '.join(output.runs[0].datasets)}"
                yield title, {recipe: labels[recipe] for recipe in recipes}
        elif output.type == TABLE:
            yield output.title, labels


def _headings(experiment: Experiment) -> dict[str, str]:
    """Each recipe's heading: its first label, and its name where several recipes have that label."""
    labels: dict[str, str] = {}
    for _, of_section in _sections(experiment):
        labels = of_section | labels
    return distinct(labels)


def _method(experiment: Experiment, paper: str, name: str, label: str, told: dict[str, str]) -> Iterator[str]:
    """A method; of what equals the method that it extends, if that is `told` already, only this is said."""
    recipe = resolved(experiment, paper, name)
    said = experiment.recipes[name]
    where = f"workflow/experiments/{paper}.yaml: recipes.{name}"
    if not isinstance(said.get("source"), str):
        raise UserError(f"{where}.source: say who published the method")
    line = lineage(experiment.recipes, name, "", Problems())
    if not any(experiment.recipes[of].get(key) for of in line for key in FOUND):
        raise UserError(
            f"{where}: say what of its settings was checked, and where (checked), or what was not (unchecked)"
        )
    yield f"### {label}\n"
    yield f"{said['source']}.\n"
    yield from (f"{title}: {said[key]}.\n" for key, title in FOUND.items() if key in said)
    parent = next((of for of in line[1:] if of in told), None)
    base = None if parent is None else resolved(experiment, paper, parent)
    equations, settings = equations_of(recipe), _settings(recipe)
    if base is not None and equations_of(base) == equations:
        same = " and settings" if _settings(base) == settings else ""
        yield f"Equations{same} are those of *{told[str(parent)]}*.\n"
        yield from (f"{settings}\n" for _ in range(not same))
    else:
        yield from _equations(equations)
        yield settings + "\n"
    yield _yaml({name: _without_source(experiment.recipes[name])})


def resolved(experiment: Experiment, paper: str, name: str) -> Recipe:
    """A recipe with what it and its workload say, as the paper has it; UserError for what no plan would take either."""
    problems = Problems()
    file = f"workflow/experiments/{paper}.yaml"
    block = extended(experiment.recipes, lineage(experiment.recipes, name, file, problems))
    if (workload := experiment.workloads.get(block.get("workload", ""))) is not None:
        block = laid_over(block, workload.recipe)
    recipe = problems.validated(Recipe, block, file, f"recipes.{name}")
    problems.raise_if_any()
    assert recipe is not None
    return recipe


def _equations(found: list[Entry]) -> Iterator[str]:
    lines = []
    for player, sign in LOSSES.items():
        parts = [entry.losses[player] for entry in found if player in entry.losses]
        # null: the method has no such player, whatever the objective says of it
        if parts and None not in parts:
            lines.append(f"{sign} &= {reduce(joined, map(str, parts))}")
    body = " \\\\\n".join(lines)
    yield f"```math\n\\begin{{aligned}}\n{body}\n\\end{{aligned}}\n```\n"
    where = " ".join(entry.where for entry in found if entry.where)
    if where:
        yield f"{where}\n"


def joined(said: str, more: str) -> str:
    """What a loss is with one entry `more`: a summand is added, what holds the mark goes around, another replaces."""
    if OF_OBJECTIVE in more:
        return more.replace(OF_OBJECTIVE, said)
    return f"{said} {more}".strip() if not more or more.startswith(("+", "-\\;")) else more


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
