"""From the files to a plan: everything that they refer to is resolved and checked, all problems at once."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gantry.errors import UserError
from gantry.files import digest_of
from gantry.metrics.names import FEATURE_NETWORKS, OF_LOSSES
from gantry.plan.checks import (
    check_data,
    check_method,
    check_metric,
    check_metrics,
    check_networks,
    check_options,
    check_outputs,
    check_sampling,
    check_segments,
    doubts_of,
)
from gantry.plan.configuration import Config, Experiment, Scale, paper_file, paper_name
from gantry.plan.filtering import filtered, selected
from gantry.plan.layering import (
    edited,
    extended,
    inherited_changes,
    laid_over,
    lineage,
    merged,
    own_text,
    read_datasets,
    with_variants,
)
from gantry.plan.overrides import Overrides, Reference
from gantry.plan.places import found_below, workflow_root
from gantry.plan.plan import Plan
from gantry.plan.problems import Layers, Problems
from gantry.plan.reading import load_yaml
from gantry.plan.recipe import Recipe, Workload
from gantry.runs.paths import canonical


def load_plan(given: dict[str, Any], root: Path | None = None, *, beside: str | Path | None = None) -> Plan:
    """Read and validate everything that `given` (config.yaml and the command line, merged) refers to.

    `root` is the folder that holds `workflow/`. Without it the working directory's own files count, and for all that
    it has not those `beside` a Snakefile, or the installed ones. Keys by their former names, and what is allowed and
    often a mistake, are named on stderr. Raises UserError with every problem found.
    """
    roots = (root,) if root is not None else tuple(dict.fromkeys((Path(), workflow_root(beside))))
    loading = _Loading(given, roots)
    for message in loading.problems.renamed:
        print(f"gantry: {message}", file=sys.stderr)
    plan = loading.plan()
    for doubt in doubts_of(plan):
        print(f"gantry: warning: {doubt}", file=sys.stderr)
    return plan


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
    return _Loading(sources["given"], roots, sources["files"]).plan()


class _Loading:
    """The files as they are read, and what is wrong with them."""

    def __init__(
        self, given: dict[str, Any], roots: tuple[Path, ...], frozen: Mapping[str, Any] | None = None
    ) -> None:
        self.roots = roots  # the first one's files hide those of the others
        self.problems = Problems(frozen)
        # Every key of the configuration has a default, so something is always left of it.
        given = self.problems.with_new_names(given, "config")
        self.config = self.problems.validated_in_part(Config, given, "config") or Config()
        name = self.config.scale
        self.scale_file = name if name.endswith(".yaml") else f"workflow/scales/{name}.yaml"
        read = self.problems.read(self._at(self.scale_file), self.scale_file)
        self.scale = self.problems.validated_in_part(Scale, read, self.scale_file) if read else None
        self.overrides = Overrides()
        self.papers = {paper_name(paper): paper_file(paper) for paper in self.config.papers}
        self.texts = {file: self.problems.read(self._at(file), file) for file in self.papers.values()}
        self.datasets, self.dataset_names, changed = read_datasets(
            self._at("workflow/datasets.yaml"), self.texts, self.config.datasets, self.problems
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
        for paper, file in self.papers.items():
            self._read_paper(paper, file)
        self._check_scale_and_config()
        self.problems.raise_if_any()
        assert self.scale is not None
        given = self.config.model_dump(mode="json", exclude_defaults=True)
        sources: dict[str, Any] = {"given": given, "files": self.problems.files}
        if len(self.roots) > 1:
            sources["roots"] = [canonical(root) for root in self.roots]
        plan = Plan(
            self.config,
            self.scale,
            self._kept(),
            self.recipes,
            self.datasets,
            self.workloads,
            self.overrides,
            sources,
            self.roots if len(self.roots) > 1 else (Path(),),
        )
        check_data(self.problems, plan, self.papers)
        check_outputs(self.problems, plan, self.papers)
        self.problems.raise_if_any()
        return plan

    def _at(self, file: str) -> Path:
        """Where a file that the configuration names lies: below the first root that has it."""
        return found_below(self.roots, file)

    def _papers(self) -> dict[str, Path]:
        """Every paper that there is, and its file."""
        found = (path for root in self.roots for path in (root / "workflow/experiments").glob("*.yaml"))
        return {path.stem: self._at(f"workflow/experiments/{path.name}") for path in found}

    def _kept(self) -> dict[str, Experiment]:
        """The papers' outputs that the configuration, or else the scale, chooses, on the data sets that it keeps."""
        assert self.scale is not None
        chosen = self.scale.outputs | self.config.outputs
        kept = {
            paper: selected(experiment, chosen.get(paper, "all"))
            for paper, experiment in self.experiments.items()
        }
        only = self.config.only_datasets or self.scale.only_datasets
        if only is None:
            return kept
        if self.config.only_datasets:
            used = {name for experiment in self.experiments.values() for name in experiment.uses}
            for name in only:
                self.problems.expect_known("config", "only_datasets", "data set of these papers", name, used)
        for paper, experiment in kept.items():
            # A scale's choice is made with some papers in mind; one with none of its sets is left whole.
            if self.config.only_datasets or not experiment.uses.isdisjoint(only):
                kept[paper] = filtered(experiment, only)
        for paper in kept.keys() & self.config.outputs.keys() - {
            name for name, wanted in self.config.outputs.items() if wanted == "all"
        }:
            for name in set(self.config.outputs[paper]) - kept[paper].outputs.keys():
                self.problems.add(
                    "config",
                    f"outputs.{paper}",
                    f"nothing of {name!r} is left on {', '.join(only)}: name its data sets in only_datasets",
                )
        self.problems.raise_if_any()
        return kept

    # ── papers ────────────────────────────────────────────────────────────────────────────────────

    def _read_paper(self, paper: str, file: str) -> None:
        read = self._on_its_base(self.texts[file])
        experiment = self.problems.validated_in_part(Experiment, read, file) if read else None
        if experiment is None:
            return
        described, experiment = experiment, with_variants(experiment)
        workload_names = _names(read, "workloads")
        recipe_names = _names(read, "recipes") | set(experiment.recipes)
        reference = self._reference(paper, read, experiment)
        workloads = self._resolved_workloads(experiment, file)
        recipes = self._resolved_recipes(experiment, file, workloads, workload_names, reference)
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

    def _on_its_base(self, read: dict[str, Any]) -> dict[str, Any]:
        """A paper's text, with the workloads and recipes of the paper that it is based on."""
        name = read.get("based_on")
        if not isinstance(name, str):
            return read
        file = f"workflow/experiments/{name}.yaml"
        base = self.problems.read(self._at(file), file)
        return read | {
            key: _block(base, key) | own if isinstance(own := read.get(key, {}), dict) else own
            for key in ("workloads", "recipes")
        }

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
        stems = self._papers().keys() - {paper}
        if name is None and not any(table.startswith(f"{paper}_") for table in published):
            name = next((s for s in sorted(stems) for table in published if table.startswith(f"{s}_")), None)
        if not isinstance(name, str):
            return Reference.itself(experiment)
        other = Problems().read(self._at(f"workflow/experiments/{name}.yaml"), name)
        described = Problems().validated_in_part(Experiment, other, name)
        return Reference.of(experiment, described) if described else Reference.itself(experiment)

    def _resolved_workloads(self, experiment: Experiment, file: str) -> dict[str, Workload]:
        """Lay the scale, then the configuration, over the workloads as the paper has them."""
        features = self.config.features or (self.scale.features if self.scale else None)
        found = {}
        for name, workload in experiment.workloads.items():
            patches = self._workload_patches(name)
            block: Any = workload.model_dump()
            for _, _, patch in reversed(patches):
                block = merged(block, patch)
            key = f"workloads.{name}"
            patched = self.problems.validated(Workload, block, file, key, patches)
            if patched is not None:
                found[name] = patched
                check_metrics(self.problems, patched, features, file, key, patches)
        return found

    def _workload_patches(self, name: str) -> Layers:
        scale = self.scale.workloads if self.scale else {}
        return [
            (file, f"workloads.{name}", patches[name])
            for file, patches in (("config", self.config.workloads), (self.scale_file, scale))
            if name in patches
        ]

    def _resolved_recipes(
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
                    for patched_in, key, patch in self._workload_patches(named)
                    if "recipe" in patch
                ),
                *((file, f"recipes.{ancestor}", own_text(experiment.recipes[ancestor])) for ancestor in line),
            ]
            last = inherited_changes(experiment.recipes, changes, line)
            patched = laid_over(laid_over(block, workload.recipe), last)
            recipe = self.problems.validated(Recipe, patched, file, f"recipes.{name}", patches)
            if recipe is not None:
                recipe = _in_precision(recipe, self.config.precision or self._scales_precision())
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
        usual = None if self.config.precision else self._scales_precision()
        at_scale, asked = (recipe and _in_precision(recipe, usual) for recipe in (at_scale, asked))
        self.overrides.of_recipe(name, as_described, at_scale, asked, used)

    def _scales_precision(self) -> str | None:
        """Return the precision that the scale asks for on GPUs, if that is where it computes."""
        if self.scale is None or (self.config.device or self.scale.device) != "cuda":
            return None
        return self.scale.precision

    def _check_recipe(self, recipe: Recipe, file: str, name: str, workloads: dict[str, Workload]) -> None:
        """Note a workload that the configuration has put in place and that is not there, or does not suit."""
        key, blamed = f"recipes.{name}", "config" if name in self.config.recipes else file
        if (workload := workloads.get(recipe.workload)) is None:
            self.problems.expect_known(blamed, f"{key}.workload", "workload", recipe.workload, workloads)
        else:
            check_networks(self.problems, recipe, workload, blamed, f"{key}.networks.family")
            check_method(self.problems, recipe, workload, blamed, f"{key}.method")
            patches = self._workload_patches(recipe.workload)
            check_sampling(self.problems, recipe, workload, file, patches)

    # ── the scale and the configuration ───────────────────────────────────────────────────────────

    def _check_scale_and_config(self) -> None:
        """Note what refers to nothing, and segments that do not fit the grid of checkpoints."""
        config, scale = self.config, self.scale
        layers = [("config", config.substitute, config.features)]
        if scale is not None:
            layers.append((self.scale_file, scale.substitute, scale.features))
            known = self.workload_names | self._all_workload_names(scale)
            for name in scale.workloads:
                self.problems.expect_known(self.scale_file, f"workloads.{name}", "workload", name, known)
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
        papers = self._papers().keys() | self.experiments.keys()
        layers = [
            ("config", self.config.outputs),
            (self.scale_file, self.scale.outputs if self.scale else {}),
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
        others = [path for _, path in sorted(self._papers().items())]
        unheeded = Problems()
        return {name for path in others for name in _names(unheeded.read(path, path.name), "workloads")}


def _in_precision(recipe: Recipe, precision: str | None) -> Recipe:
    """Return the recipe in `precision`, unless it names its own, or is of points and would lose their place.

    A coordinate near 2 in bfloat16 is right to 0.008, a mode 0.22 wide.
    """
    if precision is None or "precision" in recipe.model_fields_set:
        return recipe
    if precision == "bf16" and recipe.networks.makes == "points":
        return recipe
    return recipe.model_copy(update={"precision": precision})


def _block(read: dict[str, Any], key: str) -> dict[str, Any]:
    """One block of a file, or nothing where it is no mapping."""
    block = read.get(key)
    return block if isinstance(block, dict) else {}


def _names(read: dict[str, Any], key: str) -> set[str]:
    """The names in one block of a file, sound or not."""
    return {str(name) for name in _block(read, key)}
