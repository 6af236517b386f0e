"""The one kind of error that a user is meant to read."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake or an obstacle that the user can remove.

    The message names the file, the key or path, and the fix. The command line prints it without a
    traceback and exits with code 2.
    """


class Diverged(Exception):
    """Training met a loss that is not finite: a result to be recorded, not a crash."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return '; did you mean "x"?' for the known name nearest to `name`, or the empty string."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f'; did you mean "{near[0]}"?' if near else ""
