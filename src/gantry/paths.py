"""Paths as people write them: with ~ and $VARIABLES."""

import os
import re
from pathlib import Path

from gantry.errors import UserError

UNSET = re.compile(r"\$(\{\w+\}|[A-Za-z_]\w*)")


def expanded(path: str | Path) -> Path:
    """`path` with ~, ~user, $NAME and ${NAME} filled in; UserError names a variable that is not set.

    A file whose name really holds such a sign is taken as it is.
    """
    return Path(expanded_text(str(path)))


def expanded_text(path: str) -> str:
    """As `expanded`, but text in and text out, so that nothing else of the path's spelling changes."""
    if ("$" in path or path.startswith("~")) and not os.path.lexists(path):
        filled = os.path.expanduser(os.path.expandvars(path))  # noqa: PTH111 (Path would change its spelling)
        if (unset := UNSET.search(filled)) is not None and unset.group() in path:
            raise UserError(f"{path}: the variable {unset.group()} is not set")
        return filled
    return path
