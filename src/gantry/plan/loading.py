"""From the files to a plan: everything that they refer to is resolved and checked, all problems at once."""

from pathlib import Path
from typing import Any

from gantry.errors import suggestion
from gantry.metrics.names import FEATURE_NETWORKS, METRICS
from gantry.plan.configuration import (
    Config,
    Experiment,
    Problems,
    Scale,
    extended,
    merged,
    read_datasets,
    read_yaml,
)
from gantry.plan.recipe import DatasetSpec, Recipe, Workload
from gantry.plan.runs import Plan


def load_plan(given: dict[str, Any], root: Path = Path()) -> Plan:
    """Read and validate everything that `given` (config.yaml and the command line, merged) refers to.

    `root` is the folder that holds `workflow/`. Raises UserError with every problem found.
    """
    problems = Problems()
    config = problems.validated(Config, given, "config")
    problems.raise_if_any()
    assert config is not None

    scale_file = config.scale if config.scale.endswith(".yaml") else f"workflow/scales/{config.scale}.yaml"
    scale = problems.validated(Scale, read_yaml(root / scale_file, scale_file), scale_file)
    datasets = read_datasets(root / "workflow/datasets.yaml", config.datasets, problems)

    experiments: dict[str, Experiment] = {}
    recipes: dict[str, Recipe] = {}
    workloads: dict[str, Workload] = {}
    for paper in config.papers:
        file = f"workflow/experiments/{paper}.yaml"
        experiment = problems.validated(Experiment, read_yaml(root / file, file), file)
        if experiment is None or scale is None:
            continue
        experiments[paper] = experiment
        found = _workloads(experiment, file, scale, scale_file, config, problems)
        _check_metrics(experiment, file, found, problems)
        workloads |= found
        recipes |= _recipes(experiment, file, found, config, problems)
        _check_names(experiment, file, recipes, datasets, problems)
    length = config.segment_iterations
    for name, workload in workloads.items():
        if length and length % workload.checkpoint_every:
            problems.add(
                "config",
                "segment_iterations",
                f"{length} is not a multiple of checkpoint_every {workload.checkpoint_every} of workload {name}",
            )
    if scale is not None:
        _check_substitutes(scale, scale_file, config, datasets, workloads, recipes, problems)
    problems.raise_if_any()
    assert scale is not None
    return Plan(config, scale, experiments, recipes, datasets, workloads)


def _workloads(
    experiment: Experiment, file: str, scale: Scale, scale_file: str, config: Config, problems: Problems
) -> dict[str, Workload]:
    """Lay the scale, then the configuration, over the workloads as the paper has them."""
    found = {}
    for name, workload in experiment.workloads.items():
        patch = merged(scale.workloads.get(name, {}), config.workloads.get(name, {}))
        blamed = "config" if name in config.workloads else scale_file if name in scale.workloads else file
        patched = problems.validated(
            Workload, merged(workload.model_dump(), patch), blamed, f"workloads.{name}"
        )
        if patched is not None:
            found[name] = patched
    return found


def _recipes(
    experiment: Experiment, file: str, workloads: dict[str, Workload], config: Config, problems: Problems
) -> dict[str, Recipe]:
    """Resolve `extends`, lay the workload's patch and then the configuration's over each recipe."""
    found = {}
    for name in experiment.recipes:
        block = extended(experiment.recipes, name, file, problems)
        workload = workloads.get(block.get("workload", ""))
        if workload is None:
            known = ", ".join(experiment.workloads)
            problems.add(
                file,
                f"recipes.{name}.workload",
                f"unknown workload {block.get('workload')!r}"
                f"{suggestion(str(block.get('workload')), experiment.workloads)}; known: {known}",
            )
            continue
        own_patch = config.recipes.get(name, {})
        blamed = "config" if own_patch else file
        patched = merged(merged(block, workload.recipe), own_patch)
        recipe = problems.validated(Recipe, patched, blamed, f"recipes.{name}")
        if recipe is not None:
            found[name] = recipe
    return found


def _check_names(
    experiment: Experiment,
    file: str,
    recipes: dict[str, Recipe],
    datasets: dict[str, DatasetSpec],
    problems: Problems,
) -> None:
    """Note every data set and recipe that an output names and nobody describes."""
    for name, output in experiment.outputs.items():
        for index, block in enumerate(output.runs):
            key = f"outputs.{name}.runs.{index}"
            for dataset in block.datasets:
                if dataset not in datasets:
                    near = suggestion(dataset, datasets)
                    known = ", ".join(sorted(datasets))
                    problems.add(
                        file, f"{key}.datasets", f"unknown data set {dataset!r}{near}; known: {known}"
                    )
            for recipe in block.recipes:
                if recipe not in experiment.recipes:
                    near = suggestion(recipe, experiment.recipes)
                    known = ", ".join(sorted(experiment.recipes))
                    problems.add(file, f"{key}.recipes", f"unknown recipe {recipe!r}{near}; known: {known}")


def _check_metrics(
    experiment: Experiment, file: str, workloads: dict[str, Workload], problems: Problems
) -> None:
    """Note every metric that no file of `metrics` computes."""
    asked = [
        (f"workloads.{name}.metrics", metric)
        for name, workload in workloads.items()
        for metric in (*workload.metrics, *workload.final_metrics)
    ] + [
        (f"outputs.{name}.metrics", metric)
        for name, output in experiment.outputs.items()
        for metric in output.metrics
    ]
    for key, name in asked:
        if name not in METRICS:
            problems.add(
                file, key, f"unknown metric {name!r}{suggestion(name, METRICS)}; known: {', '.join(METRICS)}"
            )


def _check_substitutes(
    scale: Scale,
    scale_file: str,
    config: Config,
    datasets: dict[str, DatasetSpec],
    workloads: dict[str, Workload],
    recipes: dict[str, Recipe],
    problems: Problems,
) -> None:
    """Note names in the scale's and the configuration's blocks that refer to nothing."""
    for file, blocks in ((scale_file, scale.substitute), ("config", config.substitute)):
        for original, stand_in in blocks.items():
            for name in (original, stand_in):
                if name not in datasets:
                    known = ", ".join(sorted(datasets))
                    problems.add(
                        file,
                        f"substitute.{original}",
                        f"unknown data set {name!r}{suggestion(name, datasets)}; known: {known}",
                    )
    for file, network in ((scale_file, scale.features), ("config", config.features)):
        if network is not None and network not in FEATURE_NETWORKS:
            near = suggestion(network, FEATURE_NETWORKS)
            problems.add(
                file, "features", f"unknown network {network!r}{near}; known: {', '.join(FEATURE_NETWORKS)}"
            )
    for kind, given, known_names in (
        ("recipes", config.recipes, recipes),
        ("workloads", config.workloads, workloads),
    ):
        for name in given:
            if name not in known_names:
                listed = ", ".join(sorted(known_names))
                problems.add(
                    "config", f"{kind}.{name}", f"unknown{suggestion(name, known_names)}; known: {listed}"
                )
