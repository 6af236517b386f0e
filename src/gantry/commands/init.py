"""A folder of one's own to run the workflow in, for those who have installed the package and cloned nothing."""

import argparse
from pathlib import Path

from gantry.commands.common import Commands, command, path


def add(commands: Commands) -> None:
    """Make the command known to the parser."""
    add = command(commands, "init", _init, "write Snakefile, config.yaml, workflow and profiles to a folder")
    add.add_argument("folder", type=path, nargs="?", default=Path(), help="default: the working directory")


def _init(options: argparse.Namespace) -> None:
    from gantry.plan.places import write_workflow

    for name in write_workflow(options.folder):
        print(options.folder / name)
    print(f"next: cd {options.folder} && snakemake --cores all --config scale=quick")
