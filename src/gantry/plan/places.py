"""Where the workflow's own files lie: papers, scales, published numbers, rules, and the configuration."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import gantry
from gantry.errors import UserError
from gantry.runs.paths import canonical

# What every folder that holds a workflow has.
MARK = Path("workflow/datasets.yaml")
CONFIGURATION = "config.yaml"
# What `gantry init` writes; the wheel carries it as gantry/bundled (pyproject.toml).
WORKFLOW = ("Snakefile", CONFIGURATION, "workflow", "profiles")


def installed_root() -> Path:
    """The folder with the Snakefile and `workflow/` of this installation: the checkout's, or the wheel's."""
    package = Path(gantry.__file__).resolve().parent
    checkout = package.parent.parent
    return checkout if (checkout / MARK).is_file() else package / "bundled"


def workflow_root(beside: str | Path | None = None) -> Path:
    """The folder whose `workflow/` counts: the working directory's, else that `beside` a Snakefile, else the installed.

    Relative to the working directory where it lies inside.
    """
    candidates = [Path(), *([] if beside is None else [Path(beside)]), installed_root()]
    found = next((folder for folder in candidates if (folder / MARK).is_file()), Path())
    return Path(canonical(found))


def configuration_file(beside: str | Path | None = None) -> str:
    """The `config.yaml` that counts: the working directory's own, else that of the workflow."""
    root = workflow_root(beside)
    here = Path(CONFIGURATION)
    return str(here if here.is_file() or not (root / here).is_file() else root / here)


def found_below(roots: Sequence[Path], file: str) -> Path:
    """`file` below the first of `roots` that has it; below the first where none has."""
    return next((root / file for root in roots if os.path.lexists(root / file)), roots[0] / file)


def write_workflow(folder: Path) -> tuple[str, ...]:
    """Copy the installed workflow to `folder`; return the names of what was written.

    Raises UserError, before anything is written, if `folder` has one of them, or cannot be written to.
    """
    if there := [name for name in WORKFLOW if os.path.lexists(folder / name)]:
        raise UserError(f"{folder}: has {', '.join(there)} already; name an empty or a new folder")
    root = installed_root()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in WORKFLOW:
            if (root / name).is_dir():
                shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(root / name, folder / name)
    except OSError as error:
        raise UserError(f"{folder}: the workflow cannot be written here: {error}") from error
    return WORKFLOW
