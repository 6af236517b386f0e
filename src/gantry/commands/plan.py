"""Before anything runs: what a configuration costs, and how to get its data."""

import argparse
from pathlib import Path

from gantry.commands.common import Commands, command, load, of_plan, planned, settings
from gantry.errors import UserError, suggestion
from gantry.metrics.names import FEATURE_NETWORKS
from gantry.progress.channel import tell


def add(commands: Commands) -> None:
    """Make the commands known to the parser."""
    add = command(commands, "plan", _plan, "list runs, data, and what they will cost, before anything starts")
    settings(add)

    add = command(
        commands,
        "count",
        _count,
        "count what the runs of a plan compute and hold, as `plan` does, and no more",
    )
    of_plan(add)

    add = command(
        commands,
        "fetch",
        _fetch,
        "download a data set or the Inception, or say what to get and where to put it",
    )
    add.add_argument("name", help="a name of workflow/datasets.yaml, or a feature network: inception")
    settings(add)


def _plan(options: argparse.Namespace) -> None:
    from gantry.plan.costs import count_missing
    from gantry.plan.describe import describe
    from gantry.status.runs import DIVERGED, run_statuses

    plan = load(options)
    count_missing(plan, tell)
    runs = run_statuses(plan)
    trained = {key: 1.0 if run.state == DIVERGED else run.iteration / run.until for key, run in runs.items()}
    print(describe(plan, trained))


def _count(options: argparse.Namespace) -> None:
    from gantry.plan.costs import count_missing

    count_missing(planned(options), tell)


def _fetch(options: argparse.Namespace) -> None:
    if options.name in FEATURE_NETWORKS:
        from gantry.metrics.weight_files import fetch_weights

        path, is_new = fetch_weights(options.name)
        print(f"{path}: {'downloaded' if is_new else 'there already'}, its SHA-256 is the published one")
        return
    from gantry.data.fetch import fetch

    plan = load(options)
    if options.name not in plan.datasets:
        near = suggestion(options.name, [*plan.datasets, *FEATURE_NETWORKS])
        known = ", ".join([*sorted(plan.datasets), *FEATURE_NETWORKS])
        raise UserError(f"unknown data set {options.name!r}, and no feature network{near}; known: {known}")
    print(fetch(plan.datasets[options.name], options.name, Path(plan.config.data)))
