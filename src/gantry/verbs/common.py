"""What the verbs share: reading configurations and JSON from a command line, and arguments of one kind."""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gantry.errors import UserError
from gantry.paths import expanded

Verb = Callable[[argparse.Namespace], None]
# What `parser.add_subparsers()` returns; its class has no public name.
Verbs = Any


def load(settings: list[str] | str) -> Any:
    """Return the plan of a JSON configuration, or of config.yaml with `key=value` settings on top."""
    from gantry.plan import load_plan
    from gantry.plan.layering import with_settings
    from gantry.plan.places import configuration_file
    from gantry.plan.reading import read_yaml

    if isinstance(settings, str):
        return load_plan(read_json(settings, "--config"))
    file = configuration_file()
    return load_plan(with_settings(read_yaml(Path(file), file), settings))


def planned(options: argparse.Namespace) -> Any:
    """Return the plan that a step of the workflow is told of: as it was made (--plan), or of a configuration."""
    from gantry.plan import load_planned

    return load(options.config) if options.plan is None else load_planned(options.plan)


def of_plan(added: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Let a step be told of the plan."""
    which = added.add_mutually_exclusive_group(required=required)
    which.add_argument("--config", help="JSON: the configuration")
    which.add_argument(
        "--plan", type=path, help="the plan that the workflow has made (…/plans/<digest>.yaml)"
    )


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


def verb(verbs: Verbs, name: str, function: Verb, about: str) -> argparse.ArgumentParser:
    """Add a verb and return its parser; `about` is its one line of help."""
    added: argparse.ArgumentParser = verbs.add_parser(name, help=about, description=about)
    added.set_defaults(verb=function)
    return added


def step(verbs: Verbs, name: str, function: Verb, about: str) -> argparse.ArgumentParser:
    """Add a verb that the workflow calls: it leaves its last message in a log."""
    added = verb(verbs, name, function, about)
    added.add_argument("--log", type=path, help="file for the last message")
    return added


def settings(added: argparse.ArgumentParser) -> None:
    """Let a verb take settings, laid over config.yaml."""
    added.add_argument("settings", nargs="*", metavar="key=value", help="as after snakemake's --config")


def compute(added: argparse.ArgumentParser) -> None:
    """Let a verb be told where to compute."""
    added.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    added.add_argument("--threads", type=positive, default=1, help="threads on a CPU")
    added.add_argument("--runs-per-gpu", type=positive, default=1, help="shares into which a GPU is divided")
