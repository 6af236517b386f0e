"""The server as a process: `python -m gantry.system.forkserver SOCKET`."""

import importlib
import sys
from pathlib import Path

from gantry.system.forkserver.server import Run, serve_at

PRELOADED = (
    "torch._dynamo",  # what the first optimiser would import
    "gantry.training.train",
    "gantry.evaluation.features",
    "gantry.evaluation.images",
    "gantry.evaluation.points",
    "gantry.plan",
    "gantry.report.make",
)


def main() -> None:
    """Be the server at the path that the command line gives."""
    serve_at(Path(sys.argv[1]), _loaded)


def _loaded() -> Run:
    """Import everything; return the function that runs a command."""
    for module in PRELOADED:
        importlib.import_module(module)
    from gantry.cli import run

    return run


if __name__ == "__main__":
    main()
