"""Steps of the workflow that prepare, train and score."""

import argparse
from pathlib import Path

from gantry.commands import by_name
from gantry.commands.common import (
    Commands,
    compute,
    of_plan,
    path,
    planned,
    positive,
    read_json,
    step,
    watched_by,
    watching,
)
from gantry.errors import UserError, suggestion
from gantry.runs.outputs import recorded
from gantry.runs.paths import scoring_digest
from gantry.system.switches import SWITCHES, turned_on, wanted


def add(commands: Commands) -> None:
    """Make the commands known to the parser."""
    add = step(commands, "prepare", _prepare, "raw data set → images.npy and its manifest")
    add.add_argument("prepared", help="name of the prepared set: data set and resolution, e.g. celeba-64")
    of_plan(add)
    add.add_argument("--out", type=path, required=True, help="manifest.json to write")
    add.add_argument("--workers", type=positive, default=1)

    add = step(
        commands, "label", _label, "labels of a prepared set, inferred from few known ones or by clusters"
    )
    add.add_argument("--data", type=path, required=True, help="manifest of the prepared set")
    add.add_argument(
        "--told", required=True, help="JSON: known or clusters, labels_seed, features, pretraining"
    )
    add.add_argument("--out", type=path, required=True, help="labels.npy to write")
    add.add_argument("--threads", type=positive, default=1, help="threads on a CPU")

    add = step(commands, "train", _train, "train one run up to an iteration, resuming from its state")
    add.add_argument("--until", type=positive, help="iteration to reach; by name: the recipe's own number")
    by_name.arguments(add)
    add.add_argument("--spec", help="as the workflow says it. JSON: recipe, dataset, seed, checkpoint_every")
    add.add_argument("--data", type=path, help="manifest of the prepared set")
    add.add_argument("--record", type=path, help="record to write, in the run's folder")
    add.add_argument(
        "--weights", type=path, nargs="?", help="weights of the network that a loss looks through"
    )
    for name, help in SWITCHES.items():
        add.add_argument(f"--{name.replace('_', '-')}", action="store_true", help=help)
    watching(add)
    add.add_argument("--deterministic", action="store_true", help="the same bits in every run on a GPU too")
    add.add_argument(
        "--gpu-shares", type=int, default=1, help="shares of a GPU to take, if several runs share it"
    )
    compute(add)

    add = step(commands, "classifier", _classifier, "train the embedded feature network on labelled sets")
    add.add_argument("--data", type=path, nargs="+", required=True, help="manifests of prepared sets")
    add.add_argument("--out", type=path, required=True)

    add = step(commands, "statistics", _statistics, "statistics of a prepared set under a feature network")
    add.add_argument("--data", type=path, required=True, help="manifest of the prepared set")
    add.add_argument("--network", required=True)
    add.add_argument("--weights", type=path, nargs="?")
    add.add_argument("--out", type=path, required=True)
    compute(add)

    add = step(commands, "score-run", _score_run, "sample and score the checkpoints that a record lists")
    add.add_argument("--record", type=path, required=True)
    add.add_argument("--data", type=path, required=True, help="manifest of the prepared set")
    add.add_argument("--scoring", required=True, help="JSON: metrics, samples, shown, features, spec_digest")
    add.add_argument("--after", type=int, default=0, help="leave out checkpoints up to this iteration")
    add.add_argument("--statistics", type=path, nargs="?", help="stored statistics of the real images")
    add.add_argument("--weights", type=path, nargs="?", help="weights of the feature network")
    add.add_argument("--metrics", type=path, required=True, help="CSV to write")
    add.add_argument("--samples", type=path, required=True, help=".npz to write")
    watching(add)
    compute(add)


def _prepare(options: argparse.Namespace) -> None:
    from gantry.data import prepare

    plan = planned(options)
    sets = plan.prepared_sets()
    if options.prepared not in sets:
        known = ", ".join(sets)
        raise UserError(
            f"{options.prepared}: no run needs such a set{suggestion(options.prepared, sets)}; known: {known}"
        )
    name, resolution = sets[options.prepared]
    root = Path(plan.config.data)
    prepare(plan.datasets[name], name, root, resolution, options.out.parent, workers=options.workers)


def _label(options: argparse.Namespace) -> None:
    from gantry.plan.methods.s2gan import Options
    from gantry.plan.problems import Problems

    given = read_json(options.told, "--told")
    problems = Problems()
    told = problems.validated(Options, {"name": "s2gan"} | given, "--told", "")
    problems.raise_if_any()
    assert told is not None
    from gantry.methods.inferred import write_labels
    from gantry.system.device import choose_device

    choose_device("cpu", options.threads)
    facts = write_labels(options.data, told.inferred, options.out)
    said = {
        "right": "of the hidden labels are right",
        "purity": "of the samples are of their cluster's class",
    }
    for key in said.keys() & facts.keys():
        print(f"gantry: {options.out}: {facts[key]:.1%} {said[key]} (of {facts['of']:,})")


def _train(options: argparse.Namespace) -> None:
    if by_name.is_named(options):
        with turned_on(wanted(options)):
            return by_name.train(options)
    from gantry.plan.problems import Problems
    from gantry.plan.recipe import Recipe
    from gantry.plan.renamed import renamed

    spec = read_json(options.spec, "--spec", ("recipe", "dataset", "seed", "checkpoint_every"))
    problems = Problems()
    recipe = renamed(spec["recipe"])
    whole = {"workload": ""} | recipe if isinstance(recipe, dict) else recipe
    problems.validated(Recipe, whole, "--spec", "recipe")
    problems.raise_if_any()
    if options.until % spec["checkpoint_every"]:
        raise UserError(
            f"--until: {options.until} is not on the grid of checkpoints, every {spec['checkpoint_every']}"
        )
    from gantry.training.train import train

    with turned_on(wanted(options)):
        train(
            options.record.parent,
            spec,
            options.data,
            options.until,
            options.record,
            device=options.device,
            threads=options.threads,
            deterministic=options.deterministic,
            watch=watched_by(options),
            gpu_shares=options.gpu_shares,
            runs_per_gpu=options.runs_per_gpu,
            weights=options.weights,
        )


def _classifier(options: argparse.Namespace) -> None:
    from gantry.evaluation.features import train_classifier
    from gantry.plan.steps import classifier_told

    with recorded([options.out], options.data, classifier_told()):
        train_classifier(options.data, options.out)


def _statistics(options: argparse.Namespace) -> None:
    from gantry.evaluation.features import store_real_statistics
    from gantry.plan.steps import statistics_told
    from gantry.system.gpus import gpu_slot

    inputs = [options.data, *filter(None, [options.weights])]
    with (
        gpu_slot(options.device, runs_per_gpu=options.runs_per_gpu),
        recorded([options.out], inputs, statistics_told(options.network)),
    ):
        store_real_statistics(
            options.data, options.network, options.weights, options.out, options.device, options.threads
        )


def _score_run(options: argparse.Namespace) -> None:
    from gantry.evaluation.score import score_run
    from gantry.system.gpus import gpu_slot

    keys = ("metrics", "final_metrics", "samples", "shown", "features", "spec_digest")
    scoring = read_json(options.scoring, "--scoring", keys)
    outputs = [options.metrics, options.samples]
    inputs = [options.record, options.data, *filter(None, [options.statistics, options.weights])]
    told = scoring_digest(scoring, options.after)
    with (
        gpu_slot(options.device, runs_per_gpu=options.runs_per_gpu),
        recorded(outputs, inputs, told, of_training=True),
    ):
        score_run(
            options.record,
            options.data,
            scoring,
            after=options.after,
            statistics=options.statistics,
            weights=options.weights,
            metrics_out=options.metrics,
            samples_out=options.samples,
            device=options.device,
            threads=options.threads,
        )
        if services := watched_by(options):
            from gantry.watching.scores import tell_scores

            tell_scores(services, options.record, options.metrics, options.samples)
