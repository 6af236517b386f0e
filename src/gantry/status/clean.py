"""What no configuration names any more, and how much room it takes."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gantry.earlier import folder_of
from gantry.errors import UserError
from gantry.files import digest_of, read_mapping
from gantry.plan import Plan, Run
from gantry.plan.runs import work_identity
from gantry.status.runs import data_digest
from gantry.system.formatting import align_columns, format_bytes
from gantry.system.lock import exclusive_lock, holder


@dataclass(frozen=True)
class Leftover:
    """A folder that may go: why, its bytes, and the run whose lock must be held meanwhile."""

    folder: Path
    reason: str
    size: int
    run: Path


def leftovers(plan: Plan) -> list[Leftover]:
    """Runs below results/<scale>/runs that the plan does not have, work folders of other specs or data, and what is
    kept of the results of earlier settings.
    """
    runs = {Path(plan.folder(run)): run for run in plan.runs.values()}
    found = []
    for folder in _run_folders(Path(plan.results, "runs")):
        run = runs.get(folder)
        if run is None:
            found.append(Leftover(folder, "no configured run", _size(folder), folder))
        else:
            found += _other_work(plan, run, folder)
    earlier = folder_of(plan)
    if earlier.is_dir() and not earlier.is_symlink():
        found.append(Leftover(earlier, "results of earlier settings", _size(earlier), earlier))
    return found


def describe(found: list[Leftover]) -> str:
    """The leftovers as a table with their sizes and the sum."""
    if not found:
        return "nothing is left over"
    rows = [(str(each.folder), format_bytes(each.size), each.reason) for each in found]
    total = format_bytes(sum(each.size for each in found))
    return "\n".join([*align_columns(rows), "", f"{len(found)} folders, {total}"])


def remove(found: list[Leftover]) -> None:
    """Delete the leftovers. UserError, before anything is deleted, if a trainer is at work in one."""
    for each in found:
        at_work = holder(each.run / "work/lock")
        if at_work:
            raise UserError(f"{each.run}: a trainer is at work ({at_work}); nothing was deleted")
    for each in found:
        with exclusive_lock(each.run / "work/lock"):
            _remove(each.folder)
        if each.folder == each.run:
            for parent in list(each.folder.parents)[:2]:  # the recipe's and the data set's, once empty
                if not any(parent.iterdir()):
                    parent.rmdir()


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise UserError(
            f"{error.filename or folder}: cannot be deleted: {error.strerror}; see to its permissions"
        ) from error


def _run_folders(root: Path) -> Iterator[Path]:
    """`<dataset>/<recipe>/seed<k>` below `root`; nothing that is reached through a link."""
    for folder in sorted(root.glob("*/*/seed*")):
        numbered = folder.name.removeprefix("seed").isdecimal()
        if (
            numbered
            and folder.is_dir()
            and not any(each.is_symlink() for each in (folder, *folder.parents[:2]))
        ):
            yield folder


def _other_work(plan: Plan, run: Run, folder: Path) -> Iterator[Leftover]:
    """The work folders of `run` that are not its own."""
    data = data_digest(plan, run)
    for work in sorted((folder / "work").glob("*/")):
        if work.is_symlink() or work.name == work_identity(run.spec, data):
            continue
        if not _is_of(work, run):
            yield Leftover(work, "another recipe", _size(work), folder)
        elif data:  # while the data are not there, nothing says which of them it will be
            yield Leftover(work, "other data", _size(work), folder)


def _is_of(work: Path, run: Run) -> bool:
    """Whether a work folder is of the run's own spec; one whose spec cannot be read is nobody's."""
    return digest_of(read_mapping(work / "spec.json")) == run.spec_digest


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
