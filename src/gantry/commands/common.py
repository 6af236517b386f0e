"""What the commands share: reading configurations and JSON from a command line, and arguments of one kind."""

import argparse
import json
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gantry.errors import UserError
from gantry.paths import expanded
from gantry.system.orphans import is_of_workflow

Command = Callable[[argparse.Namespace], None]
# What `parser.add_subparsers()` returns; its class has no public name.
Commands = Any


def load(options: argparse.Namespace, *last: str) -> Any:
    """Return the plan of config.yaml, with --configfile, --config and the settings laid over it, and `last` on top.

    The same files and settings mean the same to `snakemake`. A job of a workflow is spared the warnings of the plan.
    """
    from gantry.plan import load_plan

    return load_plan(given(options, *last), quiet=is_of_workflow())


def given(options: argparse.Namespace, *last: str) -> dict[str, Any]:
    """Return the configuration that the options of a command say, as one mapping."""
    from gantry.plan.layering import merged, with_settings
    from gantry.plan.places import configuration_file
    from gantry.plan.reading import read_yaml

    config = options.config or []
    if len(config) == 1 and config[0].startswith(("{", "@")):  # a whole one, as tests and programs give it
        return with_settings(read_json(config[0], "--config"), last)
    own = configuration_file()
    found = read_yaml(Path(own), own)
    for file in options.configfile or []:
        found = merged(found, read_yaml(file, str(file)))
    return with_settings(found, [*config, *getattr(options, "settings", []), *last])


def typed(options: argparse.Namespace) -> str:
    """Return what a snakemake command must be given to mean the same configuration: ' --configfile … --config …'."""
    words = ["--configfile", *map(str, options.configfile)] if options.configfile else []
    given_settings = [*(options.config or []), *options.settings]
    words += ["--config", *given_settings] if given_settings else []
    return "".join(f" {shlex.quote(word)}" for word in words)


def planned(options: argparse.Namespace) -> Any:
    """Return the plan that a step of the workflow is told of: as it was made (--plan), or of a configuration."""
    from gantry.plan import load_planned

    if options.plan is None:
        return load(options)
    if options.config or options.configfile:
        raise UserError("--plan is a whole plan: leave out --config and --configfile")
    return load_planned(options.plan)


def of_plan(added: argparse.ArgumentParser) -> None:
    """Let a step be told of the plan."""
    added.add_argument(
        "--plan", type=path, help="the plan that the workflow has made (…/plans/<digest>.yaml), or:"
    )
    configuration(added)


def read_json(text: str, option: str, keys: Sequence[str] = ()) -> dict[str, Any]:
    """Return the JSON mapping that `option` was given, as text or as @file; it must have all of `keys`."""
    try:
        value = json.loads(Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text)
    except (ValueError, OSError) as error:
        raise UserError(f"{option}: not JSON: {error}; give a mapping, or @ and the name of a file") from None
    if not isinstance(value, dict):
        raise UserError(f"{option}: should be a JSON mapping, not {type(value).__name__}")
    lacking = [key for key in keys if key not in value]
    if lacking:
        raise UserError(f"{option}: without {', '.join(lacking)}; it should have {', '.join(keys)}")
    return value


def path(text: str) -> Path:
    """Return a path with ~ and $VARIABLES filled in, which shells leave after a `=`; an error of argparse else."""
    try:
        return expanded(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def positive(text: str) -> int:
    """Return a whole number of at least 1; an error of argparse otherwise."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def command(commands: Commands, name: str, function: Command, about: str) -> argparse.ArgumentParser:
    """Add a command and return its parser; `about` is its one line of help."""
    added: argparse.ArgumentParser = commands.add_parser(name, help=about, description=about)
    added.set_defaults(command=function)
    return added


def step(commands: Commands, name: str, function: Command, about: str) -> argparse.ArgumentParser:
    """Add a command that the workflow calls: it leaves its last message in a log."""
    added = command(commands, name, function, about)
    added.add_argument("--log", type=path, help="file for the last message")
    return added


def settings(added: argparse.ArgumentParser) -> None:
    """Let a command take settings, laid over config.yaml: as words, or as Snakemake is given them."""
    added.add_argument("settings", nargs="*", metavar="key=value", help="as after snakemake's --config")
    configuration(added)


def configuration(added: argparse.ArgumentParser) -> None:
    """Add Snakemake's options for configurations."""
    added.add_argument(
        "--config",
        nargs="+",
        action="extend",
        metavar="KEY=VALUE",
        help="settings, as snakemake takes them; or a whole configuration as JSON, or @file",
    )
    added.add_argument(
        "--configfile",
        "--configfiles",
        nargs="+",
        action="extend",
        type=path,
        metavar="FILE",
        help="YAML laid over config.yaml, as snakemake does; settings lie over it",
    )


def compute(added: argparse.ArgumentParser) -> None:
    """Let a command be told where to compute."""
    added.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    added.add_argument("--threads", type=positive, default=1, help="threads on a CPU")
    added.add_argument("--runs-per-gpu", type=positive, default=1, help="shares into which a GPU is divided")


def watching(added: argparse.ArgumentParser) -> None:
    """Let a step tell those who watch."""
    added.add_argument("--tensorboard", action="store_true", help="write TensorBoard's event files too")
    added.add_argument(
        "--wandb", action="store_true", help="tell Weights & Biases too (or WANDB_MODE=offline)"
    )
    added.add_argument(
        "--mlflow", action="store_true", help="tell MLflow too (MLFLOW_TRACKING_URI says where)"
    )


def watched_by(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the services that the options of `watching` ask for."""
    return tuple(name for name in ("tensorboard", "wandb", "mlflow") if getattr(options, name))
