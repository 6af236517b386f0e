"""What no configuration names any more, whose it was, and how much room it takes."""

import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from gantry.errors import UserError
from gantry.files import canonical_json, read_mapping
from gantry.plan import Plan, Run, load_planned
from gantry.plan.overrides import flat
from gantry.plan.places import workflow_root
from gantry.plan.problems import Problems
from gantry.plan.runs import works_of
from gantry.runs.paths import FORMER_RECORDS, PLANS, RUNS, lock_of
from gantry.status.runs import manifest_of
from gantry.system.formatting import align_columns, format_bytes
from gantry.system.lock import exclusive_lock, holder

# As many plans, the last ones, are read to find out whose a run is; of a setting as many letters are shown.
PLANS_READ = 20
SHOWN = 60


@dataclass(frozen=True)
class Leftover:
    """Files and folders that may go together: why, their bytes, and the run whose lock must be held meanwhile.

    `owner` says which other configuration has been made here and names them; empty where none is known.
    """

    paths: tuple[Path, ...]
    reason: str
    size: int
    run: Path | None = None
    owner: str = ""

    @property
    def name(self) -> str:
        """What is listed: the one path, or the first and how many more."""
        more = f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else ""
        return f"{self.paths[0]}{more}"

    @property
    def row(self) -> tuple[str, str, str]:
        """What a table says: the name, the size, the reason."""
        return self.name, format_bytes(self.size), self.reason


def leftovers(plan: Plan) -> list[Leftover]:
    """Runs below results/<scale>/runs that the plan does not have, work folders of other data, scores of other
    settings, and the plans of other configurations.
    """
    root = Path(plan.results, RUNS)
    runs = {Path(plan.folder(run)): run for run in plan.runs.values()}
    found = []
    folders = list(_run_folders(root))
    owners = _owners(plan) if not set(folders) <= runs.keys() else {}
    for folder in folders:
        run = runs.get(folder)
        if run is None:
            found.append(
                Leftover((folder,), _whose(plan, folder), _size([folder]), folder, owners.get(folder, ""))
            )
        else:
            found += _other_work(plan, run, folder)
            found += _other_scores(plan, run, folder)
    for folder in _seed_folders(root):
        if any(folder.glob(FORMER_RECORDS)):
            found.append(Leftover((folder,), "run of an earlier version of Gantry", _size([folder]), folder))
    plans = [path for path in sorted(Path(plan.results, PLANS).glob("*.yaml")) if path != Path(plan.place)]
    if plans:
        found.append(Leftover(tuple(plans), "plans of other configurations", _size(plans)))
    return found


def describe(found: list[Leftover]) -> str:
    """The leftovers as a table with their sizes and the sum."""
    if not found:
        return "nothing is left over"
    lines = align_columns([leftover.row for leftover in found if not leftover.owner])
    for owner in dict.fromkeys(leftover.owner for leftover in found if leftover.owner):
        theirs = [leftover for leftover in found if leftover.owner == owner]
        lines += [""] * bool(lines)
        lines += [f"runs of another configuration, {owner}:"]
        lines += [f"  {line}" for line in align_columns([leftover.row for leftover in theirs])]
    total = format_bytes(sum(leftover.size for leftover in found))
    count = f"{len(found)} leftovers" if len(found) > 1 else "1 leftover"
    return "\n".join([*lines, "", f"{count}, {total}"])


def remove(found: list[Leftover]) -> None:
    """Delete the leftovers. UserError, before anything is deleted, if a trainer is at work in one."""
    for leftover in found:
        at_work = leftover.run and holder(lock_of(leftover.run))
        if at_work:
            raise UserError(f"{leftover.run}: a trainer is at work ({at_work}); nothing was deleted")
    for leftover in found:
        if leftover.run is None:
            _remove(leftover.paths)
            continue
        with exclusive_lock(lock_of(leftover.run)):
            _remove(leftover.paths)
        if leftover.paths == (leftover.run,):
            # The seed's, the recipe's and the data set's, once empty.
            for parent in list(leftover.run.parents)[:3]:
                if parent.name == RUNS or any(parent.iterdir()):
                    break
                parent.rmdir()


def _remove(paths: Iterable[Path]) -> None:
    try:
        for path in paths:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    except OSError as error:
        raise UserError(
            f"{error.filename}: cannot be deleted: {error.strerror}; see to its permissions"
        ) from error


def _seed_folders(root: Path) -> Iterator[Path]:
    """`<dataset>/<recipe>/seed<k>` below `root`; nothing that is reached through a link."""
    for folder in sorted(root.glob("*/*/seed*/")):
        numbered = folder.name.removeprefix("seed").isdecimal()
        if numbered and not any(path.is_symlink() for path in (folder, *folder.parents[:2])):
            yield folder


def _run_folders(root: Path) -> Iterator[Path]:
    """The folders of runs, named after the digest of their spec, below `root`."""
    for seed in _seed_folders(root):
        for folder in sorted(seed.glob("*/")):
            is_digest = len(folder.name) == 16 and not set(folder.name) - set("0123456789abcdef")
            if is_digest and not folder.is_symlink():
                yield folder


def _whose(plan: Plan, folder: Path) -> str:
    """What sets a run apart from the one that the plan has in its place; or that it has none."""
    dataset, recipe, seed = folder.parts[-4:-1]
    run = plan.runs.get(f"{dataset}/{recipe}/{seed}")
    spec = _spec_of(folder)
    if run is None:
        return _not_named(plan, dataset, recipe)
    if not spec:
        return "another recipe"
    then, now = flat(spec), flat(run.spec)
    told = [
        f"{key} {then.get(key, 'as by default')}"
        for key in sorted({*then, *now})
        if then.get(key) != now.get(key)
    ]
    return f"other settings: {', '.join(told).replace('recipe.', '')}"


def _not_named(plan: Plan, dataset: str, recipe: str) -> str:
    """What of a run this configuration does not name: the seed, the data set, or the recipe, and who describes it."""
    runs = [run for run in plan.runs.values() if run.recipe_name == recipe]
    if any(run.dataset == dataset for run in runs):
        return f"another seed than {', '.join(map(str, plan.seeds))}"
    if runs:
        return "on another data set than this configuration's"
    papers = [paper for paper, text in _papers().items() if recipe in (text.get("recipes") or {})]
    if others := [paper for paper in papers if paper not in plan.experiments]:
        return f"a recipe of {others[0]}, which is not among the papers of this configuration"
    if papers:
        return f"a recipe of {papers[0]}, of which this configuration makes a part"
    return "of no recipe that any paper here describes"


@cache
def _papers() -> dict[str, dict[str, Any]]:
    """The texts of all papers, whether a configuration names them or not."""
    files = sorted((workflow_root() / "workflow/experiments").glob("*.yaml"))
    return {path.stem: Problems().read(path, path.name) for path in files}


def _owners(plan: Plan) -> dict[Path, str]:
    """Run folders → the settings of the last other configuration whose plan lies here and that names them."""
    found: dict[Path, str] = {}
    places = [path for path in Path(plan.results, PLANS).glob("*.yaml") if path != Path(plan.place)]
    for place in sorted(places, key=lambda path: path.stat().st_mtime)[-PLANS_READ:]:
        try:
            other = load_planned(place)
        except (UserError, KeyError, TypeError):  # of an earlier version
            continue
        given = other.config.model_dump(mode="json", exclude_defaults=True)
        settings = " ".join(f"{key}={_short(value)}" for key, value in given.items() if key != "results")
        found |= {
            Path(other.folder(run)): settings or "config.yaml as shipped" for run in other.runs.values()
        }
    return found


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else canonical_json(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _spec_of(folder: Path) -> dict[str, Any]:
    """The spec of the run in a folder; empty where nothing says it."""
    for path in (*sorted(folder.glob("record-*.json")), *sorted(folder.glob("work/*/spec.json"))):
        found = read_mapping(path)
        if spec := found.get("spec", found):
            return dict(spec)
    return {}


def _other_work(plan: Plan, run: Run, folder: Path) -> Iterator[Leftover]:
    """The work folders of `run` that are of other data; of none while nothing says which data it will be."""
    own = works_of(run.spec, manifest_of(plan, run))
    for work in sorted((folder / "work").glob("*/")):
        if own and not work.is_symlink() and work.name not in own:
            yield Leftover((work,), "other data", _size([work]), folder)


def _other_scores(plan: Plan, run: Run, folder: Path) -> Iterator[Leftover]:
    """The records and scores in a run's folder that the plan does not name."""
    named = {Path(file) for end in run.ends for file in (plan.record(run, end), plan.metrics(run, end))}
    stems = {path.stem.partition("-")[2] for path in named}
    others = [
        path
        for pattern in ("record-*.json", "metrics-*", "samples-*", "score-*.log", "train-*.log")
        for path in sorted(folder.glob(pattern))
        if path.name.partition(".")[0].partition("-")[2] not in stems
    ]
    if others:
        yield Leftover(tuple(others), "other scores or segments", _size(others), folder)


def _size(paths: Iterable[Path]) -> int:
    """The bytes of the files among and below `paths`; what a run removes meanwhile counts nothing."""
    size = 0
    for path in paths:
        for folder, _, names in os.walk(path) if path.is_dir() else [(str(path.parent), [], [path.name])]:
            for name in names:
                with suppress(FileNotFoundError):
                    found = (Path(folder) / name).lstat()
                    size += found.st_size if stat.S_ISREG(found.st_mode) else 0
    return size
