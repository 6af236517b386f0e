"""The command line: one command a workflow step, each of which runs by hand without Snakemake.

A user's mistake ends in one message and exit code 2; a request to stop in exit code 75: run it again.
"""

import argparse
import os
import re
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

from gantry.commands import GROUPS
from gantry.errors import UserError, suggestion
from gantry.progress.channel import is_watched
from gantry.system.orphans import stop_if_orphaned
from gantry.system.signals import CONTINUES, EXIT_CONTINUE, Stopped
from gantry.system.terminal import forgive

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
SETTING = re.compile(r"[a-z_]+=")


# Commands that the workflow calls; all others are for people.
STEPS = ("prepare", "train", "classifier", "statistics", "score-run", "table", "figure", "claims", "page")
# Those that import PyTorch or the plotting library: worth handing to the forkserver, see gantry/system/forkserver.
HEAVY = set(STEPS) - {"prepare"}


def main() -> None:
    """Run one command, in the forkserver if the environment asks for it, and exit with its code."""
    arguments = sys.argv[1:]
    code = None
    stop_if_orphaned()
    wanted = os.environ.get("GANTRY_FORKSERVER") or os.environ.get("GANTRY_WARM")
    if wanted == "1" and arguments and arguments[0] in HEAVY:
        from gantry.system import forkserver

        try:
            code = forkserver.run(arguments)
        except KeyboardInterrupt:  # while the server was starting
            sys.exit(EXIT_INTERRUPTED)
    sys.exit(run(arguments) if code is None else code)


def run(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code."""
    forgive()
    options = _parse(sys.argv[1:] if arguments is None else arguments)
    if options is None:
        return 0
    log = getattr(options, "log", None)
    try:
        options.command(options)
    except UserError as error:
        return _end(f"gantry: {error}", EXIT_USER_ERROR, log)
    except BrokenPipeError:
        # The reader of our output (head, less) has gone: not an error of anybody's.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return _end("gantry: interrupted", EXIT_INTERRUPTED, log)
    except Stopped as stopped:
        return _end(f"gantry: {stopped}; {CONTINUES}", EXIT_CONTINUE, log)
    except Exception:
        return _end(f"gantry: a defect, please report it with this:\n{traceback.format_exc()}", 1, log)
    return _end("", 0, log)


def _end(message: str, code: int, log: Path | None) -> int:
    """Print the last message, leave it in the log, return the exit code."""
    # A workflow's display shows the log of what failed; without one, or without a log, the message stands here.
    if message and not (log is not None and is_watched()):
        print(message, file=sys.stderr, flush=True)
    if log is not None:
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(f"{message or 'done'}\n", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            print(f"gantry: {log}: the log cannot be written: {error.strerror}", file=sys.stderr)
    return code


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, after one line of usage."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where help is; exit with the code of a user's mistake."""
        self.exit(
            EXIT_USER_ERROR, f"usage: {self.prog} …\ngantry: {message}; {self.prog} --help explains it\n"
        )


def _parse(arguments: Sequence[str]) -> argparse.Namespace | None:
    """Return the options of one command; None where help or the version was all that was asked for."""
    parser, commands = _parser()
    if not arguments:
        print(_overview(commands))
        return None
    word = arguments[0]
    if not word.startswith("-") and word not in commands:
        parser.error(f"unknown command {word!r}{suggestion(word, commands)}; known: {', '.join(commands)}")
    given: list[str] = []
    if not word.startswith("-") and any(action.dest == "settings" for action in commands[word]._actions):
        own, given = _apart(arguments[1:])
        arguments = [word, *own]
    options, unknown = parser.parse_known_args(arguments)
    if given:
        options.settings = [*given, *options.settings]
    if unknown and hasattr(options, "settings") and all(SETTING.match(word) for word in unknown):
        options.settings, unknown = [*options.settings, *unknown], []  # settings on both sides of an option
    if unknown:
        command = commands[word]
        command.error(f"{' '.join(unknown)}: not understood{_hint(unknown[0], command)}")
    return options


def _apart(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return a command's own words, and the settings before its first option: none is taken for a row of a table."""
    if not any(SETTING.match(word) for word in words):
        return list(words), []
    from gantry.plan.configuration import Config

    options = next((place for place, word in enumerate(words) if word.startswith("-")), len(words))
    own: list[str] = []
    given: list[str] = []
    for word in words[:options]:
        (given if "=" in word and word.partition("=")[0] in Config.model_fields else own).append(word)
    return [*own, *words[options:]], given


def _hint(word: str, command: argparse.ArgumentParser) -> str:
    """What may have been meant by a word that a command does not know."""
    from gantry.plan.configuration import Config

    if not word.startswith("-"):
        return ""
    name = word.lstrip("-").partition("=")[0]
    if name.replace("-", "_") in Config.model_fields:
        return f"; settings are written without dashes: {name.replace('-', '_')}=…"
    return suggestion(word.partition("=")[0], re.findall(r"--[\w-]+", command.format_help()))


def _overview(commands: dict[str, argparse.ArgumentParser]) -> str:
    """What `gantry` alone says: the commands that people type, a line each."""
    width = max(map(len, commands)) + 2
    lines = ["GAN training, repeatable. Training, tables and the page are made by snakemake; around it:", ""]
    lines += [
        f"  gantry {name:<{width}}{command.description}"
        for name, command in commands.items()
        if name not in STEPS
    ]
    lines += [
        "",
        f"Steps, which the workflow calls: {', '.join(STEPS)}.",
        "Each explains itself: gantry COMMAND --help. Version: gantry --version",
    ]
    return "\n".join(lines)


class _Version(argparse.Action):
    """Prints version and commit."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from gantry.system.version import commit

        of = commit()
        print(f"gantry {version('gantry')}" + (f", commit {of}" if of else ""))
        parser.exit(0)


def _parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """Return the parser, and those of its commands."""
    parser = _Parser(prog="gantry", description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--version", action=_Version, nargs=0, help="print version and commit")
    commands = parser.add_subparsers(required=True, metavar="command")
    for group in GROUPS:
        group.add(commands)
    return parser, dict(commands.choices)


if __name__ == "__main__":
    main()
