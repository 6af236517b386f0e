"""The command line: one verb a workflow step, each of which runs by hand without Snakemake.

A user's mistake ends in one message and exit code 2; a request to stop in exit code 75: run it again.
"""

import argparse
import os
import sys
import traceback
from pathlib import Path

from gantry.errors import UserError
from gantry.progress.channel import is_watched
from gantry.system.orphans import stop_if_orphaned
from gantry.system.signals import EXIT_CONTINUE, Stopped
from gantry.system.terminal import forgive
from gantry.verbs import GROUPS

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130


# Verbs that import PyTorch or the plotting library: worth handing to the forkserver, see gantry/system/forkserver.
HEAVY = {"train", "classifier", "statistics", "score-run", "table", "figure", "claims", "page"}


def main() -> None:
    """Run one verb, in the forkserver if the environment asks for it, and exit with its code."""
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
    """Run one verb; return the exit code."""
    forgive()
    options = _parser().parse_args(arguments)
    log = getattr(options, "log", None)
    try:
        options.verb(options)
    except UserError as error:
        return _end(f"gantry: {error}", EXIT_USER_ERROR, log)
    except BrokenPipeError:
        # The reader of our output (head, less) has gone: not an error of anybody's.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return _end("gantry: interrupted", EXIT_INTERRUPTED, log)
    except Stopped as stopped:
        return _end(f"gantry: {stopped}; the same command continues", EXIT_CONTINUE, log)
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gantry", description=__doc__.partition("\n")[0] if __doc__ else "")
    verbs = parser.add_subparsers(required=True, metavar="verb")
    for group in GROUPS:
        group.add(verbs)
    return parser


if __name__ == "__main__":
    main()
