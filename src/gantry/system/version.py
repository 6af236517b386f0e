"""Which code this is: its own digest, and the commit that it was checked out from."""

import hashlib
import subprocess
from functools import cache
from pathlib import Path

import gantry


@cache
def code_digest() -> str:
    """Return 16 hexadecimal digits over the source files of this package."""
    root = Path(gantry.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@cache
def commit() -> str | None:
    """Return the git commit of the source tree, with '+' if files differ from it; None outside git."""

    def git(*arguments: str) -> str:
        root = Path(gantry.__file__).parent
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None
