"""The files a user edits: config.yaml, scales and experiments; `layering` has how one is laid over another."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from gantry.plan.blocks.base import FilePath, Positive, Strict
from gantry.plan.output_types import OUTPUT_TYPES, SUFFIXES, Family, TypeName
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
NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"
Name = Annotated[str, Field(pattern=NAME)]


def paper_name(paper: str) -> str:
    """Return what a paper is called, in results too: its name, or that of its file."""
    return Path(paper).stem if paper.endswith(".yaml") else paper


def paper_file(paper: str) -> str:
    """Return the experiment file of a paper, given by its name or as a path."""
    return paper if paper.endswith(".yaml") else f"workflow/experiments/{paper}.yaml"


def _paper(value: str) -> str:
    """Refuse what can be no name; a path's last part becomes one."""
    if not re.match(NAME, paper_name(value)):
        raise ValueError(
            "should be the name of a file in workflow/experiments, or a path that ends in .yaml, the file's a name of "
            f"letters, digits, _ . and - (given: {value!r})"
        )
    if (name := paper_name(value)) in STEPS:
        raise ValueError(f"{name}: is the name of a step of the workflow; give the file another")
    return value


# A paper is a rule of the workflow, beside these.
STEPS = (
    "all",
    "prepare",
    "classifier",
    "label",
    "train",
    "real_statistics",
    "score",
    "table",
    "figure",
    "claims",
    "page",
)


def _other_names(papers: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse two papers of one name, whose results would lie in one folder."""
    names = [paper_name(paper) for paper in papers]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"each paper once (given more than once: {', '.join(repeated)})")
    return papers


Paper = Annotated[FilePath, AfterValidator(_paper)]
# The data sets that outputs are kept to: of each output, the runs on these alone.
Only = Annotated[tuple[str, ...], Field(min_length=1)]
# Paper → which of its outputs are made; "all" undoes a scale's choice. A paper that is not named makes all.
Selection = dict[Name, Literal["all"] | Annotated[tuple[Name, ...], Field(min_length=1)]]


class Config(Strict):
    """config.yaml, with whatever `--config` put on top of it."""

    scale: FilePath = "paper"
    # Names of files in workflow/experiments, or paths.
    papers: Annotated[tuple[Paper, ...], Field(min_length=1), AfterValidator(_other_names)] = ("bcgan",)
    seeds: Seeds | None = None
    data: FilePath = "data"
    results: FilePath = "results"
    device: Literal["cpu", "cuda"] | None = None
    deterministic: bool = False
    # Of every recipe that names none itself; null: for images on GPUs the scale's own, else fp32.
    precision: Literal["fp32", "tf32", "bf16"] | None = None
    # Networks through torch.compile where that goes: losses within rounding of those without.
    compile: bool = False
    # On a GPU: an iteration is one CUDA graph, which draws anchors and noise itself.
    whole_iterations: bool = False
    # On a GPU: each of several generators runs on a stream of its own.
    streams: bool = False
    # Optimistic Adam through PyTorch's fused Adam: weights within a few units in the last place.
    fused_oadam: bool = False
    tensorboard: bool = False
    wandb: bool = False
    mlflow: bool = False
    segment_iterations: Positive | None = None
    # Memory of one GPU: a run that is estimated to need more than its share of it takes several shares.
    gpu_memory_gb: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    runs_per_gpu: Annotated[int, Field(ge=1, le=32)] = 1
    features: str | None = None
    weights: dict[str, FilePath] = {}
    outputs: Selection = {}
    only_datasets: Only | None = None
    only_recipes: Only | None = None
    datasets: dict[Name, dict[str, Any]] = {}
    substitute: dict[str, str] = {}
    recipes: dict[str, dict[str, Any]] = {}
    workloads: dict[str, dict[str, Any]] = {}

    @property
    def watch(self) -> tuple[str, ...]:
        """The services that losses, scores and samples are told to."""
        return tuple(name for name in ("tensorboard", "wandb", "mlflow") if getattr(self, name))

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
    # On GPUs, of every recipe for images that names none itself: a deviation from the paper, and stated as one.
    precision: Literal["fp32", "tf32", "bf16"] | None = None
    seeds: Seeds
    features: str
    outputs: Selection = {}
    only_datasets: Only | None = None
    substitute: dict[str, str] = {}
    workloads: dict[str, dict[str, Any]] = {}


class Variant(Strict):
    """A change that is laid over several recipes, and what a recipe's label says of it."""

    label: str
    recipe: dict[str, Any]


class Runs(Strict):
    """A rectangle of runs: every data set with every recipe, recipes with their printed names.

    A name may hold settings of its recipe by their dotted keys, which are filled in as they are used:
    "λ = {terms.entropy_distance.weight}", "β₁ = {optimiser.betas.0}". Names that become the same have the recipes' own
    beside them.
    `variants` adds each of these to every recipe (see `layering.with_variants`).
    """

    datasets: tuple[str, ...] = Field(min_length=1)
    recipes: dict[str, str] = Field(min_length=1)
    variants: tuple[Name, ...] = ()


class Output(Strict):
    """One table or figure: its type, the runs it needs and the published numbers beside them."""

    type: TypeName
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
    def family(self) -> Family:
        """'table', 'figure' or 'claims': which step makes it, and in which formats."""
        return OUTPUT_TYPES[self.type].family

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The formats in which this output is written."""
        return SUFFIXES[self.family]


class Experiment(Strict):
    """One paper: `workflow/experiments/<name>.yaml`, or a file of one's own."""

    title: str
    source: str
    # Another paper, whose workloads and recipes are known here too.
    based_on: Name | None = None
    # Data sets of its own, described as in workflow/datasets.yaml.
    datasets: dict[Name, dict[str, Any]] = {}
    workloads: dict[str, Workload] = {}
    recipes: dict[Name, dict[str, Any]]
    variants: dict[Name, Variant] = {}
    outputs: dict[Name, Output]
    # The outputs that the page shows first: pictures, and the most telling table.
    highlights: tuple[Name, ...] = ()

    @property
    def uses(self) -> set[str]:
        """The data sets that its outputs name."""
        return {name for output in self.outputs.values() for block in output.runs for name in block.datasets}

    @property
    def shows(self) -> set[str]:
        """The recipes that its outputs name."""
        return {name for output in self.outputs.values() for block in output.runs for name in block.recipes}
