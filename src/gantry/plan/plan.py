"""The plan: which runs there are, which files they make, and what each step of training and scoring is told.

Everything that the Snakefile knows comes from here, `steps` and `report_specs`, as plain strings, numbers and JSON.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from gantry.errors import UserError, suggestion
from gantry.files import digest_of
from gantry.plan.configuration import Config, Experiment, Output, Scale, paper_file, paper_name
from gantry.plan.dataset import DatasetSpec
from gantry.plan.missing import Missing, is_present
from gantry.plan.overrides import Overrides
from gantry.plan.places import found_below
from gantry.plan.reading import dump_yaml
from gantry.plan.recipe import Recipe, Workload
from gantry.plan.runs import Run
from gantry.runs import paths

# What the embedded classifier tells apart: ten digits and two photographs.
EMBEDDED_CLASSES = ("digits", "china", "flower")


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
        overrides: Overrides,
        sources: dict[str, Any] | None = None,
        roots: tuple[Path, ...] = (Path(),),
    ) -> None:
        self.config = config
        self.scale = scale
        self.experiments = experiments
        self.recipes = recipes
        self.datasets = datasets
        self.workloads = workloads
        self.overrides = overrides
        self._sources = sources or {}
        self._roots = roots
        self.seeds = config.seeds or scale.seeds
        self.device = config.device or scale.device
        self.features = config.features or scale.features
        self.scale_name = Path(config.scale).stem
        root = paths.canonical(config.results)
        self.results = paths.canonical(f"{root}/{self.scale_name}")
        self.prepared_root = paths.canonical(f"{root}/data")
        self.runs = self._runs()

    # ── runs ──────────────────────────────────────────────────────────────────────────────────────

    def dataset_for(self, dataset: str) -> str:
        """The data set that is trained on where the experiment says `dataset`."""
        return (self.scale.substitute | self.config.substitute).get(dataset, dataset)

    def workload_of(self, recipe: str) -> Workload:
        """The workload of a recipe, as the scale and the configuration have it."""
        return self.workloads[self.recipes[recipe].workload]

    def _runs(self) -> dict[str, Run]:
        wanted: dict[tuple[str, str], set[int]] = {}
        for _, _, output in self.outputs():
            for dataset, recipe in self._pairs(output):
                end = self.workload_of(recipe).end(output.until)
                wanted.setdefault((self.dataset_for(dataset), recipe), set()).add(end)
        runs = {}
        for (dataset, recipe), ends in wanted.items():
            for seed in self.seeds:
                run = self._run(dataset, recipe, seed, ends)
                runs[run.key] = run
        return runs

    def _run(self, dataset: str, recipe_name: str, seed: int, ends: set[int]) -> Run:
        recipe, workload = self.recipes[recipe_name], self.workload_of(recipe_name)
        spec = {
            "format": 1,
            # Only what differs from the defaults: a key that is new to the models then changes no old spec.
            "recipe": recipe.as_spec(),
            "dataset": {"name": dataset} | self.datasets[dataset].identity(workload.resolution),
            "seed": seed,
            "checkpoint_every": workload.checkpoint_every,
        }
        length = self.config.segment_iterations
        cuts = range(length, max(ends), length) if length else ()
        return Run(dataset, recipe_name, recipe, workload, seed, spec, tuple(sorted(ends | set(cuts))))

    def run(self, dataset: str, recipe: str, seed: str | int, digest: str | None = None) -> Run:
        """The run with these names; KeyError if the configuration does not ask for it, or for one of another spec."""
        run = self.runs[f"{dataset}/{recipe}/seed{seed}"]
        if digest not in (None, run.spec_digest):
            raise KeyError(
                f"{run.key}: spec {digest} is of another configuration, whose recipe or data differ"
            )
        return run

    @property
    def described(self) -> dict[str, dict[str, Any]]:
        """The texts of the papers, by their names, whatever of them this configuration keeps."""
        files = self._sources.get("files", {})
        return {paper_name(paper): files.get(paper_file(paper), {}) for paper in self.config.papers}

    def any_run(self, dataset: str, recipe: str, seed: int, until: int | None = None) -> Run:
        """The run of any recipe on any data set of the configuration, whether or not an output asks for it.

        On the grid of the recipe's workload, up to `until` or its own number of iterations. Raises UserError for names
        that the configuration does not know, and for an `until` off the grid of checkpoints.
        """
        for what, name, known in (("recipe", recipe, self.recipes), ("data set", dataset, self.datasets)):
            if name not in known:
                names = ", ".join(sorted(known))
                raise UserError(
                    f"unknown {what} {name!r}{suggestion(name, known)}; known to papers "
                    f"{', '.join(self.experiments)}: {names}; others are named by papers=[...]"
                )
        workload = self.workload_of(recipe)
        end = until or workload.iterations
        if end % workload.checkpoint_every:
            raise UserError(
                f"{end} iterations are not on the grid of checkpoints, every {workload.checkpoint_every}"
            )
        return self._run(self.dataset_for(dataset), recipe, seed, {end})

    # ── files ─────────────────────────────────────────────────────────────────────────────────────

    def prepared(self, dataset: str, resolution: int | None) -> str:
        """The folder of a prepared set; points have no resolution."""
        suffix = "" if resolution is None else f"-{resolution}"
        return f"{self.prepared_root}/{dataset}{suffix}"

    def manifest(self, run: Run) -> str:
        """The manifest of the prepared set that `run` trains on."""
        return f"{self.prepared(run.dataset, run.workload.resolution)}/manifest.json"

    def inferred_labels(self, run: Run) -> list[str]:
        """The labels that `run` trains on, where they are inferred beforehand."""
        told = run.recipe.method.inferred
        folder = self.prepared(run.dataset, run.workload.resolution)
        return [f"{folder}/{paths.labels_name(told)}"] if told else []

    def inference(self, file: str) -> dict[str, Any]:
        """How the labels in `file`, one of `inferred_labels`, are inferred."""
        return next(
            run.recipe.method.inferred for run in self.runs.values() if file in self.inferred_labels(run)
        )

    def prepared_sets(self) -> dict[str, tuple[str, int | None]]:
        """Prepared folder name → (data set, resolution), for every set that a run needs."""
        sets = {(run.dataset, run.workload.resolution) for run in self.runs.values()}
        if self.uses_embedded:
            sets |= {(name, 32) for name in EMBEDDED_CLASSES}
        return {Path(self.prepared(*wanted)).name: wanted for wanted in sorted(sets, key=str)}

    def folder(self, run: Run) -> str:
        """The run's folder, without a trailing slash."""
        return f"{self.results}/{paths.RUNS}/{run.place}"

    def record(self, run: Run, end: int) -> str:
        """The record of the segment of `run` that ends at iteration `end`."""
        return f"{self.folder(run)}/{paths.record_name(end)}"

    def metrics(self, run: Run, end: int) -> str:
        """The metrics of the checkpoints of that segment."""
        return f"{self.folder(run)}/{paths.scores_name(end, self.scoring_digest(run, end))}"

    def samples(self, run: Run, end: int) -> str:
        """The samples of these checkpoints that figures show."""
        return f"{self.folder(run)}/{paths.scores_name(end, self.scoring_digest(run, end), '.npz')}"

    def scoring_digest(self, run: Run, end: int) -> str:
        """What tells the scores of that segment from those of other settings, in their files' names."""
        return paths.scoring_digest(self.scoring(run), run.previous_end(end))

    def refuse_former_results(self) -> None:
        """Raise UserError if results of an earlier version of Gantry, whose runs lay elsewhere, are in the way."""
        if former := paths.former_records(Path(self.results)):
            raise UserError(
                f"{self.results}/{paths.RUNS} holds runs of an earlier version of Gantry ({former[0].name} in "
                f"{former[0].parent}), which this one does not read: move {self.results} elsewhere, or choose another "
                "`results` folder"
            )

    @property
    def place(self) -> str:
        """The file with this plan's sources, which jobs are told of; its name is the digest of its content."""
        return f"{self.results}/{paths.plan_name(self.digest)}"

    @cached_property
    def sources(self) -> str:
        """What it was read from, as YAML: the configuration and the files that it names, for jobs to read instead."""
        return dump_yaml(self._sources)

    @cached_property
    def digest(self) -> str:
        """The digest of everything that the plan was read from, the order of keys included: rows follow it."""
        return digest_of(self.sources)

    def outputs(self) -> Iterator[tuple[str, str, Output]]:
        """Every (paper, name, output) of the papers that the configuration names."""
        for paper, experiment in self.experiments.items():
            for name, output in experiment.outputs.items():
                yield paper, name, output

    def output_files(self, paper: str | None = None) -> list[str]:
        """The files of every table and figure of one paper, or of all."""
        return [
            file
            for name_of_paper, name, _ in self.outputs()
            if paper in (None, name_of_paper)
            for file in self.files_of(name_of_paper, name)
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
            end = self.workload_of(recipe).end(output.until)
            for seed in self.seeds:
                run = self.run(self.dataset_for(dataset), recipe, seed)
                found[run.key] = (run, run.ends_until(end))
        return list(found.values())

    def records_of(self, output: Output) -> list[str]:
        """The record of every run and segment behind an output."""
        return [self.record(run, end) for run, ends in self.runs_of(output) for end in ends]

    def metrics_of(self, output: Output) -> list[str]:
        """The metrics of every run and segment behind an output."""
        return [self.metrics(run, end) for run, ends in self.runs_of(output) for end in ends]

    def samples_of(self, output: Output) -> list[str]:
        """The shown samples of every run and segment behind an output, if it is one that shows them."""
        if output.family != "figure":
            return []
        return [self.samples(run, end) for run, ends in self.runs_of(output) for end in ends]

    def inputs_of(self, paper: str, name: str) -> list[str]:
        """Every file that a table, figure or list of claims is made of."""
        output = self.output(paper, name)
        files = [*self.records_of(output), *self.metrics_of(output), *self.samples_of(output)]
        return [*files, *self.published(paper, name)]

    def inputs_of_page(self) -> list[str]:
        """Every file that the page is made of: the outputs, and what their numbers and curves are read from."""
        files = [file for paper, name, _ in self.outputs() for file in self.inputs_of(paper, name)]
        return list(dict.fromkeys([*self.output_files(), *files]))

    def files_of(self, paper: str, name: str) -> list[str]:
        """The files of one table, figure or list of claims."""
        return [f"{self.results}/{paper}/{name}.{suffix}" for suffix in self.output(paper, name).suffixes]

    def output(self, paper: str, name: str) -> Output:
        """One table or figure; KeyError if no experiment describes it."""
        return self.experiments[paper].outputs[name]

    def name_pattern(self, family: str) -> str:
        """A pattern for the names of all outputs of a family: 'table', 'figure' or 'claims'."""
        found = {name for _, name, output in self.outputs() if output.family == family}
        return "|".join(sorted(found)) or "none"

    def previous_record(self, run: Run, end: int) -> list[str]:
        """The record of the segment before the one that ends at `end`, if there is one."""
        previous = run.previous_end(end)
        return [self.record(run, previous)] if previous else []

    def published(self, paper: str, name: str) -> list[str]:
        """The file with the published numbers of an output, if it has one."""
        published = self.output(paper, name).published
        return [str(found_below(self._roots, f"workflow/published/{published}"))] if published else []

    # ── features ──────────────────────────────────────────────────────────────────────────────────

    def feature_weights(self, network: str | None = None) -> list[str]:
        """The file with the weights of the plan's feature network, or of another; empty where it finds its own."""
        name = network or self.features
        if name == "embedded":
            return [f"{self.prepared_root}/embedded-classifier.safetensors"]
        given = self.config.weights.get(name)
        return [paths.canonical(given)] if given else []

    def training_weights(self, run: Run) -> list[str]:
        """The file with the weights of the network that a loss of `run` has; empty where it has none, or finds none."""
        network = run.recipe.method.fixed_network
        return self.feature_weights(network) if network else []

    @property
    def uses_embedded(self) -> bool:
        """Whether the embedded classifier is needed: to score, or by a loss."""
        of_losses = {run.recipe.method.fixed_network for run in self.runs.values()}
        return self.features == "embedded" or "embedded" in of_losses

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

    def preparation(self, folder: str) -> dict[str, Any]:
        """What the prepared set in `folder` is; where its files lie, and its title, change nothing."""
        dataset, resolution = self.prepared_sets()[folder]
        return {"name": dataset} | self.datasets[dataset].identity(resolution)

    def scoring(self, run: Run) -> dict[str, Any]:
        """How the checkpoints of `run` are sampled and scored; a change rescores and never retrains."""
        workload = run.workload
        is_image = workload.resolution is not None
        # Absent unless asked for, so that nothing that was scored before is scored again.
        asked = workload.model_dump(
            mode="json",
            include={"score_real", "score_generators", "inception_splits", "sweep", "montages"},
            exclude_defaults=True,
        )
        # Said, though the method tells: what was scored before it had means is scored again.
        asked |= {"means_of_directions": True} if run.recipe.method.several_directions else {}
        return {
            "metrics": list(workload.metrics),
            "final_metrics": list(workload.final_metrics),
            "samples": workload.samples,
            "shown": workload.shown,
            "features": self.features if is_image else None,
            "spec_digest": run.spec_digest,
        } | asked

    # ── data ──────────────────────────────────────────────────────────────────────────────────────

    def source_of(self, dataset: str) -> Path:
        """Where the raw files of `dataset` are expected."""
        return Path(self.config.data) / (self.datasets[dataset].path or dataset)

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
            if not spec.is_embedded and not is_present(place, spec.looks_for)
        ]
