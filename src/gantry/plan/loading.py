"""From the files to a plan: everything that they refer to is resolved and checked, all problems at once."""

import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from gantry.errors import UserError, suggestion
from gantry.files import digest_of
from gantry.metrics.names import FEATURE_NETWORKS, OF_LOSSES
from gantry.plan.checks import (
    check_data,
    check_metric,
    check_options,
    check_outputs,
    check_segments,
    doubts_of,
)
from gantry.plan.configuration import Experiment, Scale
from gantry.plan.filtering import filtered, selected
from gantry.plan.labels import labelled, missing_settings
from gantry.plan.layering import read_datasets, with_variants
from gantry.plan.overrides import Overrides, Reference, flat
from gantry.plan.places import workflow_root
from gantry.plan.plan import Plan
from gantry.plan.problems import Problems
from gantry.plan.reading import load_yaml
from gantry.plan.recipe import Recipe, Workload
from gantry.plan.resolving import Resolver
from gantry.plan.sources import Sources, names_in
from gantry.runs.paths import canonical

SAID: set[str] = set()  # what this process has printed


def load_plan(
    given: dict[str, Any],
    root: Path | None = None,
    *,
    beside: str | Path | None = None,
    quiet: bool = False,
) -> Plan:
    """Read and validate everything that `given` (config.yaml and the command line, merged) refers to.

    `root` is the folder that holds `workflow/`. Without it the working directory's own files count, and for all that
    it has not those `beside` a Snakefile, or the installed ones. Keys by their former names, and what is allowed and
    often a mistake, are named on stderr, once a process, unless `quiet`: for a job of a workflow, which has said so.
    Raises UserError with every problem found.
    """
    roots = (root,) if root is not None else tuple(dict.fromkeys((Path(), workflow_root(beside))))
    loading = _Loading(Sources(given, roots))
    if not quiet:
        _say_once(loading.problems.renamed)
    plan = loading.plan()
    if not quiet:
        _say_once(f"warning: {doubt}" for doubt in doubts_of(plan))
    return plan


def _say_once(messages: Iterable[str]) -> None:
    """Print what this process has not printed yet: one command may read several plans."""
    for message in messages:
        if message not in SAID:
            print(f"gantry: {message}", file=sys.stderr)
            SAID.add(message)


def load_planned(place: Path) -> Plan:
    """Return the plan whose sources Snakemake has written to `place`, whatever the files say by now.

    Raises UserError where it is missing, or not what was written.
    """
    try:
        text = place.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{place}: cannot be read: {error}; run the same snakemake command again") from None
    if digest_of(text) != place.stem:
        raise UserError(
            f"{place}: not the plan that the workflow has made (its digest differs); run the same snakemake command "
            "again"
        )
    sources = load_yaml(text)
    roots = tuple(Path(root) for root in sources.get("roots", ("",)))
    return _Loading(Sources(sources["given"], roots, sources["files"])).plan()


class _Loading:
    """The plan as it comes together, paper by paper."""

    def __init__(self, sources: Sources) -> None:
        self.sources, self.problems = sources, sources.problems
        self.config, self.scale = sources.config, sources.scale
        self.overrides = Overrides()
        self.resolver = Resolver(sources, self.overrides)
        self.datasets, self.dataset_names, changed = read_datasets(
            sources.at("workflow/datasets.yaml"), sources.texts, self.config.datasets, self.problems
        )
        for dataset, described in changed.items():
            self.overrides.of_dataset(dataset, described, self.datasets[dataset])
        self.experiments: dict[str, Experiment] = {}
        self.recipes: dict[str, Recipe] = {}
        self.workloads: dict[str, Workload] = {}
        # Described, whether sound or not: a name that is known is never reported as unknown.
        self.recipe_names: set[str] = set()
        self.workload_names: set[str] = set()

    def plan(self) -> Plan:
        """Read the papers, check all names, and return the plan or raise UserError."""
        for paper, file in self.sources.papers.items():
            self._read_paper(paper, file)
        self._check_scale_and_config()
        self.problems.raise_if_any()
        assert self.scale is not None
        given = self.config.model_dump(mode="json", exclude_defaults=True)
        sources: dict[str, Any] = {"given": given, "files": self.problems.files}
        roots = self.sources.roots
        if len(roots) > 1:
            sources["roots"] = [canonical(root) for root in roots]
        plan = Plan(
            self.config,
            self.scale,
            {paper: labelled(experiment, self.recipes) for paper, experiment in self._kept().items()},
            self.recipes,
            self.datasets,
            self.workloads,
            self.overrides,
            sources,
            roots if len(roots) > 1 else (Path(),),
        )
        check_data(self.problems, plan, self.sources.papers)
        check_outputs(self.problems, plan, self.sources.papers)
        self.problems.raise_if_any()
        return plan

    def _kept(self) -> dict[str, Experiment]:
        """The papers' outputs that the configuration, or else the scale, chooses, of what sets and recipes it keeps."""
        assert self.scale is not None
        chosen = self.scale.outputs | self.config.outputs
        kept = {
            paper: selected(experiment, chosen.get(paper, "all"))
            for paper, experiment in self.experiments.items()
        }
        datasets = self.config.only_datasets or self.scale.only_datasets
        recipes = self.config.only_recipes
        papers = self.experiments.values()
        for key, what, names, known in (
            ("only_datasets", "data set", self.config.only_datasets, [paper.uses for paper in papers]),
            ("only_recipes", "recipe", recipes, [paper.shows for paper in papers]),
        ):
            for name in names or ():
                self.problems.expect_known(
                    "config", key, f"{what} of these papers", name, set().union(*known)
                )
        for paper, experiment in kept.items():
            # A scale's choice is made with some papers in mind; one with none of its sets is left whole.
            whole = not self.config.only_datasets and experiment.uses.isdisjoint(datasets or ())
            limits = (None if whole else datasets, recipes)
            if any(limits):
                kept[paper] = filtered(experiment, *limits)
            wanted = self.config.outputs.get(paper, "all")
            for name in set() if wanted == "all" else set(wanted) - kept[paper].outputs.keys():
                mend = "; ".join(_emptied(selected(experiment, [name]), *limits))
                self.problems.add("config", f"outputs.{paper}", f"nothing of {name!r} is left: {mend}")
        self.problems.raise_if_any()
        return kept

    # ── papers ────────────────────────────────────────────────────────────────────────────────────

    def _read_paper(self, paper: str, file: str) -> None:
        read = self.sources.on_its_base(self.sources.texts[file])
        experiment = self.problems.validated_in_part(Experiment, read, file) if read else None
        if experiment is None:
            return
        described, experiment = experiment, with_variants(experiment)
        workload_names = names_in(read, "workloads")
        recipe_names = names_in(read, "recipes") | set(experiment.recipes)
        reference = self._reference(paper, read, experiment)
        workloads = self.resolver.workloads(experiment, file)
        recipes = self.resolver.recipes(experiment, file, workloads, workload_names, reference)
        self._share(file, "workloads", workloads, self.workloads)
        self._share(file, "recipes", recipes, self.recipes)
        self.overrides.others |= {
            (paper, name, dataset)
            for name, output in experiment.outputs.items()
            for block in output.runs
            for dataset in block.datasets
            if not reference.has_published(output, dataset)
        }
        self.experiments[paper] = experiment
        self.workload_names |= workload_names
        self.recipe_names |= recipe_names
        for name, output in described.outputs.items():
            key = f"outputs.{name}"
            for index, block in enumerate(output.runs):
                for field, what, names, known in (
                    ("datasets", "data set", block.datasets, self.dataset_names),
                    ("recipes", "recipe", block.recipes, recipe_names),
                    ("variants", "variant", block.variants, described.variants),
                ):
                    for used in names:
                        self.problems.expect_known(file, f"{key}.runs.{index}.{field}", what, used, known)
            for wanted in output.metrics:
                check_metric(self.problems, wanted, file, f"{key}.metrics")
            check_options(self.problems, experiment.outputs[name], file, f"{key}.options")
            for index, block in enumerate(experiment.outputs[name].runs):
                for recipe, label in block.recipes.items():
                    self._check_label(file, f"{key}.runs.{index}.recipes.{recipe}", label, recipe)

    def _check_label(self, file: str, key: str, label: str, name: str) -> None:
        """Note the settings in a label that its recipe has not, unless a scale or a user has changed the recipe."""
        recipe = self.recipes.get(name)
        if recipe is None or name in self.overrides.recipes or name in self.overrides.settings:
            return
        for missing in missing_settings(label, recipe):
            known = flat(recipe.model_dump(mode="json", exclude={"workload"}))
            near = suggestion(missing, known) or "; known: batch_size, updates.generator and others"
            self.problems.add(file, key, f"the recipe has no setting {missing!r}{near}")

    def _share(self, file: str, kind: str, found: dict[str, Any], known: dict[str, Any]) -> None:
        """Add what one paper describes; papers may share a name only if they mean the same by it."""
        for name, value in found.items():
            if known.setdefault(name, value) != value:
                self.problems.add(
                    file, f"{kind}.{name}", "another paper has something else of this name: rename one"
                )

    def _reference(self, paper: str, read: dict[str, Any], experiment: Experiment) -> Reference:
        """What the numbers of this paper are held against: itself, or the paper whose recipes it takes up."""
        name = read.get("based_on")
        published = [output.published for output in experiment.outputs.values() if output.published]
        stems = self.sources.shipped().keys() - {paper}
        if name is None and not any(table.startswith(f"{paper}_") for table in published):
            name = next((s for s in sorted(stems) for table in published if table.startswith(f"{s}_")), None)
        if not isinstance(name, str):
            return Reference.itself(experiment)
        other = Problems().read(self.sources.at(f"workflow/experiments/{name}.yaml"), name)
        described = Problems().validated_in_part(Experiment, other, name)
        return Reference.of(experiment, described) if described else Reference.itself(experiment)

    # ── the scale and the configuration ───────────────────────────────────────────────────────────

    def _check_scale_and_config(self) -> None:
        """Note what refers to nothing, and segments that do not fit the grid of checkpoints."""
        config, scale = self.config, self.scale
        layers = [("config", config.substitute, config.features)]
        if scale is not None:
            layers.append((self.sources.scale_file, scale.substitute, scale.features))
            known = self.workload_names | self._all_workload_names(scale)
            for name in scale.workloads:
                self.problems.expect_known(
                    self.sources.scale_file, f"workloads.{name}", "workload", name, known
                )
        for file, substitute, network in layers:
            for original, proxy in substitute.items():
                for name in (original, proxy):
                    self.problems.expect_known(
                        file, f"substitute.{original}", "data set", name, self.dataset_names
                    )
            if network is not None:
                self.problems.expect_known(file, "features", "feature network", network, FEATURE_NETWORKS)
        self._check_selections()
        for name in config.weights:
            networks = (*FEATURE_NETWORKS, *OF_LOSSES)
            self.problems.expect_known("config", f"weights.{name}", "feature network", name, networks)
        if self.experiments:
            for name in config.recipes:
                self.problems.expect_known("config", f"recipes.{name}", "recipe", name, self.recipe_names)
            for name in config.workloads:
                self.problems.expect_known(
                    "config", f"workloads.{name}", "workload", name, self.workload_names
                )
        check_segments(self.problems, config.segment_iterations, self.workloads)

    def _check_selections(self) -> None:
        """Note papers and outputs that are chosen from and do not exist."""
        papers = self.sources.shipped().keys() | self.experiments.keys()
        layers = [
            ("config", self.config.outputs),
            (self.sources.scale_file, self.scale.outputs if self.scale else {}),
        ]
        for file, chosen in layers:
            for paper, names in chosen.items():
                self.problems.expect_known(file, f"outputs.{paper}", "paper", paper, papers)
                if names == "all" or paper not in self.experiments:
                    continue
                for name in names:
                    known = self.experiments[paper].outputs
                    self.problems.expect_known(file, f"outputs.{paper}", f"output of {paper}", name, known)

    def _all_workload_names(self, scale: Scale) -> set[str]:
        """The workloads of every paper there is, read only if the scale names one that the chosen lack."""
        if set(scale.workloads) <= self.workload_names:
            return set()
        if self.problems.frozen is not None:
            return set(scale.workloads)  # they were known when the plan was made
        others = [path for _, path in sorted(self.sources.shipped().items())]
        unheeded = Problems()
        return {name for path in others for name in names_in(unheeded.read(path, path.name), "workloads")}


def _emptied(
    asked: Experiment, datasets: Collection[str] | None, recipes: Collection[str] | None
) -> list[str]:
    """What to name so that a choice of data sets, of recipes, or of both leaves something of an output."""
    choices = [
        (f"name its {what} in {key}: {_a_few(own)}", left.outputs)
        for what, key, only, own, left in (
            ("data sets", "only_datasets", datasets, asked.uses, filtered(asked, datasets, None)),
            ("recipes", "only_recipes", recipes, asked.shows, filtered(asked, None, recipes)),
        )
        if only
    ]
    # Each may leave something, and both together nothing.
    return [said for said, left in choices if not left] or [said for said, _ in choices]


def _a_few(names: Collection[str], most: int = 4) -> str:
    """The first names in order of the alphabet, and how many more there are."""
    return ", ".join(sorted(names)[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
