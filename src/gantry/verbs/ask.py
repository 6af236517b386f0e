"""Before anything runs: what a configuration costs, and how to get its data."""

import argparse
from pathlib import Path

from gantry.errors import UserError, suggestion
from gantry.verbs.common import Verbs, load, settings, verb


def add(verbs: Verbs) -> None:
    """Make the verbs known to the parser."""
    add = verb(verbs, "plan", _plan, "list runs, data, and what they will cost, before anything starts")
    settings(add)

    add = verb(verbs, "fetch", _fetch, "download a data set, or say exactly what to get and where to put it")
    add.add_argument("dataset", help="a name of workflow/datasets.yaml")
    settings(add)


def _plan(options: argparse.Namespace) -> None:
    from gantry.plan.describe import describe
    from gantry.status.runs import DIVERGED, standings

    plan = load(options)
    runs = standings(plan)
    trained = {key: 1.0 if run.state == DIVERGED else run.iteration / run.until for key, run in runs.items()}
    print(describe(plan, trained))


def _fetch(options: argparse.Namespace) -> None:
    from gantry.data.fetch import fetch

    plan = load(options)
    if options.dataset not in plan.datasets:
        near = suggestion(options.dataset, plan.datasets)
        known = ", ".join(sorted(plan.datasets))
        raise UserError(f"unknown data set {options.dataset!r}{near}; known: {known}")
    fetch(plan.datasets[options.dataset], options.dataset, Path(plan.config.data))
