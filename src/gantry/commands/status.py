"""Knowing where one stands: what is done, what is left over, where a number comes from."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gantry.commands.common import Commands, command, load, settings, typed

if TYPE_CHECKING:
    from gantry.status.clean import Leftover


def add(commands: Commands) -> None:
    """Make the commands known to the parser."""
    add = command(commands, "status", _status, "where every run, table and figure stands")
    add.add_argument("--json", action="store_true", help="JSON instead of a text")
    settings(add)

    add = command(
        commands,
        "clean",
        _clean,
        "list what the configuration does not name, and whose it is; ask, then delete it",
    )
    add.add_argument("--yes", action="store_true", help="delete without asking")
    settings(add)

    add = command(commands, "trace", _trace, "everything about the runs behind one number of a table")
    add.add_argument("table", help="e.g. bcgan/table2")
    row = "its labels, as many as single it out, separated by /: CelebA/BCGAN; left out: which there are"
    add.add_argument("row", nargs="?", help=row)
    column = "the quantity, or a part of its name: 'FID, minimum'; left out: the only one, or which there are"
    add.add_argument("column", nargs="?", default="", help=column)
    add.add_argument("--verify", action="store_true", help="read every checkpoint and compare its SHA-256")
    settings(add)


def _status(options: argparse.Namespace) -> None:
    from gantry.status.describe import as_json, describe

    plan = load(options)
    print(json.dumps(as_json(plan), indent=2) if options.json else describe(plan, typed(options)))


def _clean(options: argparse.Namespace) -> None:
    from gantry.status.clean import describe, leftovers, remove

    plan = load(options)
    found = leftovers(plan)
    print(describe(found))
    if not found:
        return
    papers, seeds = ", ".join(plan.experiments), ", ".join(map(str, plan.seeds))
    print(f"Not named by: scale {plan.scale_name}, papers {papers}, seeds {seeds}.")
    if options.yes or _agreed(found):
        remove(found)
        print("deleted")
    else:
        print("nothing was deleted" + ("" if sys.stdin.isatty() else "; --yes deletes them"))


def _agreed(found: Sequence["Leftover"]) -> bool:
    """Whether somebody at a terminal says that all of it may go."""
    if not sys.stdin.isatty():
        return False
    others = sum(bool(leftover.owner) for leftover in found)
    warning = f", {others} of them runs of another configuration" if others else ""
    try:
        answer = input(f"Delete all {len(found)}{warning}? [y/N] ")
    except EOFError:
        return False
    return answer.strip().lower() in ("y", "yes")


def _trace(options: argparse.Namespace) -> None:
    from gantry.status.trace import trace

    plan = load(options)
    print(trace(plan, options.table, options.row, options.column, verify=options.verify))
