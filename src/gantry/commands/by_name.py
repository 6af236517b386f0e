"""`gantry train RECIPE DATASET`: one run by hand, where the workflow would put it."""

import argparse

from gantry.commands.common import load, settings
from gantry.errors import UserError

TOLD = ("until", "spec", "data", "record")


def arguments(added: argparse.ArgumentParser) -> None:
    """Let `train` be told of a run by name."""
    added.add_argument(
        "recipe", nargs="?", help="by name: a recipe of the configuration's papers, bcgan, say"
    )
    added.add_argument("dataset", nargs="?", help="and a data set, cifar10, say; then settings")
    settings(added)
    added.add_argument("--seed", type=int, default=0, help="of a run by name (default: 0)")


def is_named(options: argparse.Namespace) -> bool:
    """Whether a run is asked for by name; UserError for half of either way, and for both at once."""
    if options.recipe is None:
        lacking = [f"--{name}" for name in TOLD if getattr(options, name) is None]
        if lacking:
            raise UserError(
                f"gantry train: give a recipe and a data set (gantry train bcgan cifar10 --seed 0), or all of --spec, "
                f"--data, --until and --record, as the workflow does (missing: {', '.join(lacking)})"
            )
        return False
    if options.spec or options.data or options.record:
        raise UserError("gantry train: a recipe by name takes the place of --spec, --data and --record")
    if options.dataset is None or "=" in options.dataset:
        raise UserError(
            f"gantry train {options.recipe}: name a data set too: gantry train {options.recipe} cifar10"
        )
    return True


def train(options: argparse.Namespace) -> None:
    """Train it, and say where it lies."""
    from gantry import api

    plan = load(options)
    used = plan.dataset_for(options.dataset)
    if used != options.dataset:
        print(f"gantry: scale {plan.scale_name} trains on {used} in place of {options.dataset}")
    folder = api.train(plan, options.recipe, options.dataset, options.seed, options.until, options.threads)
    print(f"{folder}: trained; gantry sample {folder} --out grid.png shows it")
