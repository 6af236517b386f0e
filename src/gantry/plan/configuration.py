"""The files a user edits: config.yaml, scales, data sets and experiments; and how one is laid over another."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from gantry.errors import UserError, suggestion
from gantry.plan.blocks.base import Positive, Strict
from gantry.plan.dataset import DatasetSpec
from gantry.plan.kinds import CLAIMS, TABLES, FigureKind, TableKind
from gantry.plan.problems import Problems
from gantry.plan.recipe import Workload


def _no_boolean(value: Any) -> Any:
    """Refuse yes and no, which would pass for 1 and 0."""
    if isinstance(value, bool):
        raise ValueError(f"should be a whole number (given: {value})")
    return value


def _all_different(seeds: tuple[int, ...]) -> tuple[int, ...]:
    """Refuse a seed given twice, which would count one run as two."""
    repeated = sorted({seed for seed in seeds if seeds.count(seed) > 1})
    if repeated:
        raise ValueError(f"each seed once (given more than once: {', '.join(map(str, repeated))})")
    return seeds


Seed = Annotated[int, BeforeValidator(_no_boolean), Field(ge=0, lt=2**63)]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1), AfterValidator(_all_different)]
# Names become folders, wildcards and words of shell commands.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
# Keys of a recipe that speak of its sources and change no run: who published it, what of its settings was found
# to be so and where, and what was not found.
ON_SOURCES = ("source", "checked", "unchecked")


class Config(Strict):
    """config.yaml, with whatever `--config` put on top of it."""

    scale: str = "paper"
    papers: Annotated[tuple[Name, ...], Field(min_length=1)] = ("bcgan",)
    seeds: Seeds | None = None
    data: str = "data"
    results: str = "results"
    device: Literal["cpu", "cuda"] | None = None
    deterministic: bool = False
    tensorboard: bool = False
    segment_iterations: Positive | None = None
    # Memory of one GPU: a run that is estimated to need more than its share of it takes several shares.
    gpu_memory_gb: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    runs_per_gpu: Annotated[int, Field(ge=1, le=32)] = 1
    features: str | None = None
    weights: dict[str, str] = {}
    # Of each output, the runs on these alone; None: on all that it names.
    only_datasets: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    datasets: dict[Name, dict[str, Any]] = {}
    substitute: dict[str, str] = {}
    recipes: dict[str, dict[str, Any]] = {}
    workloads: dict[str, dict[str, Any]] = {}

    @field_validator("runs_per_gpu")
    @classmethod
    def _shares_have_a_size(cls, value: int, known: ValidationInfo) -> int:
        if value > 1 and known.data.get("gpu_memory_gb") is None:
            raise ValueError(
                f"{value} needs gpu_memory_gb, a GPU's memory in GB, which tells how many runs fit"
            )
        return value


class Scale(Strict):
    """How large everything is: `workflow/scales/<name>.yaml`."""

    title: str
    device: Literal["cpu", "cuda"]
    seeds: Seeds
    features: str
    substitute: dict[str, str] = {}
    workloads: dict[str, dict[str, Any]] = {}


class Variant(Strict):
    """A change that is laid over several recipes, and what a recipe's label says of it."""

    label: str
    recipe: dict[str, Any]


class Runs(Strict):
    """A rectangle of runs: every data set with every recipe, recipes with their printed names.

    `variants` adds each of these to every recipe (see `with_variants`).
    """

    datasets: tuple[str, ...] = Field(min_length=1)
    recipes: dict[str, str] = Field(min_length=1)
    variants: tuple[Name, ...] = ()


class Output(Strict):
    """One table or figure: its kind, the runs it needs and the published numbers beside them."""

    kind: Literal["claims", TableKind, FigureKind]
    title: str
    runs: tuple[Runs, ...] = Field(min_length=1)
    metrics: tuple[str, ...] = ()
    until: Literal["iterations", "extended_iterations"] = "iterations"
    published: str | None = None
    # A recipe's row of the published file: the method's name there, or the value of every key column.
    methods: dict[str, str | dict[str, str | int | float]] = {}
    notes: tuple[str, ...] = ()
    options: dict[str, Any] = {}

    @property
    def family(self) -> str:
        """'table', 'figure' or 'claims': which step makes it, and in which formats."""
        if self.kind == CLAIMS:
            return CLAIMS
        return "table" if self.kind in TABLES else "figure"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The formats in which this output is written."""
        formats = {"table": ("csv", "md", "tex"), "figure": ("png", "svg"), "claims": ("csv", "md")}
        return formats[self.family]


class Experiment(Strict):
    """One paper: `workflow/experiments/<name>.yaml`."""

    title: str
    source: str
    # Another paper, whose workloads and recipes are known here too.
    based_on: Name | None = None
    workloads: dict[str, Workload] = {}
    recipes: dict[Name, dict[str, Any]]
    variants: dict[Name, Variant] = {}
    outputs: dict[Name, Output]


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
            for each in block.variants:
                if (variant := experiment.variants.get(each)) is None:
                    continue
                for recipe, label in block.recipes.items():
                    labels[variant_name(recipe, each)] = f"{label}, {variant.label}"
                    recipes.setdefault(variant_name(recipe, each), {"extends": recipe} | variant.recipe)
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
            given = merged(given, {key: yaml.safe_load(value)})
        except yaml.YAMLError:
            raise UserError(f"{setting!r}: the value is not YAML; quote it, e.g. 'seeds=[0, 1]'") from None
    return given


def laid_over(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Return the recipe `base` with `own` over it.

    A block whose family or name changes starts afresh: what `base` says there belongs to another model.
    """
    base = dict(base)
    for block, tag in (("networks", "family"), ("objective", "name")):
        before, after = base.get(block), own.get(block)
        if (
            isinstance(before, dict)
            and isinstance(after, dict)
            and after.get(tag, before.get(tag)) != before.get(tag)
        ):
            del base[block]
    return cast(dict[str, Any], merged(base, own))


def lineage(recipes: dict[str, dict[str, Any]], name: str, file: str, problems: Problems) -> list[str]:
    """Return the recipe `name` and those that it inherits from through `extends`, nearest first."""
    line = [name]
    while (parent := recipes[line[-1]].get("extends")) is not None:
        key = f"recipes.{line[-1]}.extends"
        if not isinstance(parent, str) or parent not in recipes:
            known = ", ".join(sorted(recipes))
            problems.add(
                file, key, f"unknown recipe {parent!r}{suggestion(str(parent), recipes)}; known: {known}"
            )
            break
        if parent in line:
            problems.add(file, key, f"circular: {' → '.join((*line, parent))}")
            break
        line.append(parent)
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


def read_datasets(
    path: Path, patches: dict[str, dict[str, Any]], problems: Problems
) -> tuple[dict[str, DatasetSpec], list[str]]:
    """Read workflow/datasets.yaml with the configuration's own `datasets` laid over it.

    Returns the sound ones, and the names of all that are described.
    """
    shown = "workflow/datasets.yaml"
    shipped = problems.read(path, shown)
    described = merged(shipped, patches)
    specs = {}
    for name, block in described.items():
        key = f"datasets.{name}"
        file = shown if name in shipped else "config"
        own = [("config", key, patches[name])] if name in patches else []
        spec = problems.validated(DatasetSpec, block, file, key if file == "config" else str(name), own)
        if spec is not None:
            specs[name] = spec
    return specs, list(described)
