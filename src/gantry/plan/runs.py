"""The plan: which runs there are, which files they make, and what each workflow step is told.

Everything that the Snakefile knows comes from here, as plain strings, numbers and canonical JSON.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gantry.files import canonical_json, digest_of
from gantry.plan.configuration import Config, Experiment, Output, Scale
from gantry.plan.dataset import DatasetSpec
from gantry.plan.recipe import Recipe, Workload

# Data sets with these sources come with the project or its dependencies: nothing to download, and
# a stand-in wherever they take the place of another set.
EMBEDDED = {"gaussian_grid", "digits", "photograph"}
# What the embedded classifier tells apart: ten digits and two photographs.
EMBEDDED_CLASSES = ("digits", "china", "flower")


def work_identity(spec: dict[str, Any], data_digest: str) -> str:
    """The name of a run's work folder: a digest of its spec and of its data's own bytes."""
    return digest_of({"spec": spec, "data": data_digest})


@dataclass(frozen=True)
class Run:
    """One training: a data set, a recipe, a seed, and the iterations at which something is wanted of it."""

    dataset: str
    recipe_name: str
    recipe: Recipe
    workload: Workload
    seed: int
    spec: dict[str, Any]
    ends: tuple[int, ...]

    @property
    def key(self) -> str:
        """The run's place below results/<scale>/runs."""
        return f"{self.dataset}/{self.recipe_name}/seed{self.seed}"

    @cached_property
    def spec_digest(self) -> str:
        """The digest that names the run's work folder and is compared wherever its results are used."""
        return digest_of(self.spec)

    def ends_until(self, end: int) -> list[int]:
        """The ends of the segments that a result at iteration `end` rests on."""
        return [stop for stop in self.ends if stop <= end]

    def previous_end(self, end: int) -> int:
        """The end of the segment before the one that ends at `end`; 0 for the first."""
        return max((stop for stop in self.ends if stop < end), default=0)


@dataclass(frozen=True)
class Missing:
    """A data set that the plan needs and that is not on this machine."""

    name: str
    title: str
    looked_in: Path
    looked_for: tuple[str, ...]
    acquisition: str

    def __str__(self) -> str:
        wanted = " or ".join(self.looked_for) or "the folder itself"
        how = "\n".join(f"    {line}" for line in self.acquisition.strip().splitlines())
        return (
            f"data set {self.name} ({self.title}) is missing: looked for {wanted} in {self.looked_in}\n{how}\n"
            f'    Lies elsewhere? --config \'datasets={{"{self.name}": {{"path": "/your/folder"}}}}\''
        )


class Plan:
    """The whole of what a configuration asks for, validated."""

    def __init__(
        self,
        config: Config,
        scale: Scale,
        experiments: dict[str, Experiment],
        recipes: dict[str, Recipe],
        datasets: dict[str, DatasetSpec],
        workloads: dict[str, Workload],
    ) -> None:
        self.config = config
        self.scale = scale
        self.experiments = experiments
        self.recipes = recipes
        self.datasets = datasets
        self.workloads = workloads
        self.seeds = config.seeds or scale.seeds
        self.device = config.device or scale.device
        self.features = config.features or scale.features
        self.scale_name = Path(config.scale).stem
        self.results = f"{config.results}/{self.scale_name}"
        self.prepared_root = f"{config.results}/data"
        self.runs = self._runs()

    # ── runs ──────────────────────────────────────────────────────────────────────────────────────

    def stand_in(self, dataset: str) -> str:
        """The data set that is trained on where the experiment says `dataset`."""
        return (self.scale.substitute | self.config.substitute).get(dataset, dataset)

    def _runs(self) -> dict[str, Run]:
        wanted: dict[tuple[str, str], set[int]] = {}
        for _, _, output in self.outputs():
            for dataset, recipe in self._pairs(output):
                workload = self.workloads[self.recipes[recipe].workload]
                end = getattr(workload, output.until) or workload.iterations
                wanted.setdefault((self.stand_in(dataset), recipe), set()).add(end)
        runs = {}
        for (dataset, recipe), ends in wanted.items():
            for seed in self.seeds:
                run = self._run(dataset, recipe, seed, ends)
                runs[run.key] = run
        return runs

    def _run(self, dataset: str, recipe_name: str, seed: int, ends: set[int]) -> Run:
        recipe = self.recipes[recipe_name]
        workload = self.workloads[recipe.workload]
        spec = {
            "format": 1,
            # Only what differs from the defaults: a key that is new to the models then changes no old spec.
            "recipe": recipe.model_dump(mode="json", exclude={"workload"}, exclude_defaults=True),
            "dataset": {"name": dataset} | self.datasets[dataset].identity(workload.resolution),
            "seed": seed,
            "checkpoint_every": workload.checkpoint_every,
        }
        length = self.config.segment_iterations
        cuts = range(length, max(ends), length) if length else ()
        return Run(dataset, recipe_name, recipe, workload, seed, spec, tuple(sorted(ends | set(cuts))))

    def run(self, dataset: str, recipe: str, seed: str | int) -> Run:
        """The run with these names; KeyError if the configuration does not ask for it."""
        return self.runs[f"{dataset}/{recipe}/seed{seed}"]

    # ── files ─────────────────────────────────────────────────────────────────────────────────────

    def prepared(self, dataset: str, resolution: int | None) -> str:
        """The folder of a prepared set; points have no resolution."""
        suffix = "" if resolution is None else f"-{resolution}"
        return f"{self.prepared_root}/{dataset}{suffix}"

    def manifest(self, run: Run) -> str:
        """The manifest of the prepared set that `run` trains on."""
        return f"{self.prepared(run.dataset, run.workload.resolution)}/manifest.json"

    def prepared_sets(self) -> dict[str, tuple[str, int | None]]:
        """Prepared folder name → (data set, resolution), for every set that a run needs."""
        sets = {(run.dataset, run.workload.resolution) for run in self.runs.values()}
        if self.features == "embedded":
            sets |= {(name, 32) for name in EMBEDDED_CLASSES}
        return {Path(self.prepared(*each)).name: each for each in sorted(sets, key=str)}

    def folder(self, run: Run) -> str:
        """The run's folder, without a trailing slash."""
        return f"{self.results}/runs/{run.key}"

    def outputs(self) -> Iterator[tuple[str, str, Output]]:
        """Every (paper, name, output) of the papers that the configuration names."""
        for paper, experiment in self.experiments.items():
            for name, output in experiment.outputs.items():
                yield paper, name, output

    def output_files(self, paper: str | None = None) -> list[str]:
        """The files of every table and figure of one paper, or of all."""
        return [
            f"{self.results}/{each}/{name}.{suffix}"
            for each, name, output in self.outputs()
            if paper in (None, each)
            for suffix in output.suffixes
        ]

    def _pairs(self, output: Output) -> Iterable[tuple[str, str]]:
        return [
            (dataset, recipe)
            for block in output.runs
            for dataset in block.datasets
            for recipe in block.recipes
        ]

    def runs_of(self, output: Output) -> list[tuple[Run, list[int]]]:
        """The runs behind an output, each with the ends of the segments it needs, without repeats."""
        found: dict[str, tuple[Run, list[int]]] = {}
        for dataset, recipe in self._pairs(output):
            workload = self.workloads[self.recipes[recipe].workload]
            end = getattr(workload, output.until) or workload.iterations
            for seed in self.seeds:
                run = self.run(self.stand_in(dataset), recipe, seed)
                found[run.key] = (run, run.ends_until(end))
        return list(found.values())

    def run_files(self, output: Output, pattern: str) -> list[str]:
        """`pattern` (with {end}) for every run and segment behind an output."""
        return [
            f"{self.folder(run)}/{pattern.format(end=end)}"
            for run, ends in self.runs_of(output)
            for end in ends
        ]

    def output(self, paper: str, name: str) -> Output:
        """One table or figure; KeyError if no experiment describes it."""
        return self.experiments[paper].outputs[name]

    def names(self, family: str) -> str:
        """A pattern for the names of all outputs of a family: 'table', 'figure' or 'claims'."""
        found = {name for _, name, output in self.outputs() if output.family == family}
        return "|".join(sorted(found)) or "none"

    def previous_seal(self, run: Run, end: int) -> list[str]:
        """The seal of the segment before the one that ends at `end`, if there is one."""
        previous = run.previous_end(end)
        return [f"{self.folder(run)}/seal-{previous}.json"] if previous else []

    def published(self, paper: str, name: str) -> list[str]:
        """The file with the published numbers of an output, if it has one."""
        published = self.output(paper, name).published
        return [f"workflow/published/{published}"] if published else []

    # ── features ──────────────────────────────────────────────────────────────────────────────────

    def feature_weights(self, network: str | None = None) -> list[str]:
        """The file with the weights of the plan's feature network, or of another; empty where it finds its own."""
        name = network or self.features
        if name == "embedded":
            return [f"{self.prepared_root}/embedded-classifier.safetensors"]
        given = self.config.weights.get(name)
        return [given] if given else []

    def embedded_manifests(self) -> list[str]:
        """The prepared sets that the embedded classifier learns from."""
        return [f"{self.prepared(name, 32)}/manifest.json" for name in EMBEDDED_CLASSES]

    def real_statistics(self, run: Run) -> list[str]:
        """The stored statistics of the real images that `run` is scored against; points need none."""
        if run.workload.resolution is None:
            return []
        folder = self.prepared(run.dataset, run.workload.resolution)
        return [f"{folder}/statistics-{self.features}.npz"]

    # ── what the steps are told ───────────────────────────────────────────────────────────────────

    def preparation(self, folder: str) -> str:
        """What the prepared set in `folder` is, as JSON; where its files lie, and its title, change nothing."""
        dataset, resolution = self.prepared_sets()[folder]
        return canonical_json({"name": dataset} | self.datasets[dataset].identity(resolution))

    def scoring(self, run: Run) -> dict[str, Any]:
        """How the checkpoints of `run` are sampled and scored; a change rescores and never retrains."""
        workload = run.workload
        is_image = workload.resolution is not None
        # Absent unless asked for, so that nothing that was scored before is scored again.
        asked = workload.model_dump(
            include={"score_real", "score_generators", "inception_splits"}, exclude_defaults=True
        )
        return {
            "metrics": list(workload.metrics),
            "final_metrics": list(workload.final_metrics),
            "samples": workload.samples,
            "shown": workload.shown,
            "features": self.features if is_image else None,
            "spec_digest": run.spec_digest,
        } | asked

    def order(self, paper: str, name: str) -> dict[str, Any]:
        """What the report needs to know to make one table or figure."""
        experiment = self.experiments[paper]
        output = experiment.outputs[name]
        groups = [
            self._group(output, dataset, recipe, label)
            for block in output.runs
            for dataset in block.datasets
            for recipe, label in block.recipes.items()
        ]
        first = self.workloads[self.recipes[groups[0]["recipe"]].workload]
        on_paper = experiment.workloads[self.recipes[groups[0]["recipe"]].workload]
        return {
            "format": 1,
            "paper": paper,
            "name": name,
            "kind": output.kind,
            "title": output.title,
            "notes": list(output.notes),
            "options": output.options,
            "scale": self.scale_name,
            "scale_title": self.scale.title,
            "results": self.results,
            "published": output.published and f"workflow/published/{output.published}",
            # A scale may score fewer metrics than the paper prints: what is not measured is not shown.
            "metrics": [name for name in output.metrics if name in (*first.metrics, *first.final_metrics)],
            "snapshots": list(first.snapshots),
            "iterations": getattr(first, output.until) or first.iterations,
            "paper_iterations": getattr(on_paper, output.until) or on_paper.iterations,
            "usual_iterations": first.iterations,
            "groups": groups,
        }

    def order_digest(self, paper: str, name: str) -> str:
        """The digest of an order: what Snakemake watches, so that a changed caption remakes one table."""
        return digest_of(self.order(paper, name))

    def orders_digest(self) -> str:
        """The digest of every order, for the page that shows them all."""
        return digest_of([self.order(paper, name) for paper, name, _ in self.outputs()])

    def _group(self, output: Output, dataset: str, recipe: str, label: str) -> dict[str, Any]:
        used = self.stand_in(dataset)
        workload = self.workloads[self.recipes[recipe].workload]
        end = getattr(workload, output.until) or workload.iterations
        runs = [self.run(used, recipe, seed) for seed in self.seeds]
        return {
            "dataset": used,
            "dataset_name": dataset,
            "dataset_label": self.datasets[dataset].title,
            "stand_in": self.datasets[used].title if used != dataset else None,
            "recipe": recipe,
            "recipe_label": label,
            "method": output.methods.get(recipe, recipe),
            "runs": [
                {"seed": run.seed, "spec_digest": run.spec_digest, "ends": run.ends_until(end)}
                for run in runs
            ],
        }

    # ── data ──────────────────────────────────────────────────────────────────────────────────────

    def source_of(self, dataset: str) -> Path:
        """Where the raw files of `dataset` are expected."""
        data = Path(self.config.data).expanduser()
        return data / Path(self.datasets[dataset].path or dataset).expanduser()

    def missing_for(self, folders: Iterable[str]) -> list[Missing]:
        """The data sets that are not there and that prepared folders of these names come from."""
        sets = self.prepared_sets()
        return self.missing(sets[folder][0] for folder in folders)

    def missing(self, names: Iterable[str] | None = None) -> list[Missing]:
        """The data sets, of those named or of all that the runs need, that are not there."""
        needed = sorted(set(names) if names is not None else {run.dataset for run in self.runs.values()})
        return [
            Missing(name, spec.title, place, spec.looks_for, spec.acquisition)
            for name in needed
            for spec, place in [(self.datasets[name], self.source_of(name))]
            if spec.source not in EMBEDDED and not _present(place, spec.looks_for)
        ]


def _present(place: Path, looks_for: tuple[str, ...]) -> bool:
    """Say whether one of the names lies in `place`; an array or archive may itself be the path."""
    if not looks_for or place.is_file():
        return place.exists()
    return any((place / name).exists() for name in looks_for)


def to_json(value: Any) -> str:
    """Canonical JSON, for Snakemake's params: equal settings give equal text."""
    return canonical_json(value)
