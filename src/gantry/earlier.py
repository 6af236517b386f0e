"""Results of earlier settings: put aside before other settings displace them, put back when theirs return.

The files of a run have the same names under every setting, so that tables find them; a changed setting has them
made anew in the same place. Before that happens they are copied to `<results>/<scale>/earlier`, together with
Snakemake's records of how they were made. When a configuration asks for them again, they are put back with their
times and records, before Snakemake looks: it then finds nothing to do.

What a file is good for is said by its key: a digest of the parameters and the input files of the job that made it,
the latter by their content. A file that is older than an input which has changed since has no key, and is never
put aside.
"""

import contextlib
import os
import shutil
import tempfile
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from gantry.files import canonical_json, digest_of, read_mapping, sha256_of_file
from gantry.plan import Plan
from gantry.plan.orders import order_digest, orders_digest

RECORDS = Path(".snakemake/metadata")


@dataclass(frozen=True)
class Job:
    """One job of the workflow: the files it makes of which others, and the parameters that Snakemake watches."""

    outputs: tuple[str, ...]
    inputs: tuple[str, ...]
    params: tuple[Any, ...]

    @cached_property
    def name(self) -> str:
        """The folder of its earlier results."""
        return digest_of(self.outputs)

    @property
    def are_there(self) -> bool:
        """Whether all of its files exist."""
        return all(Path(each).is_file() for each in self.outputs)

    def wanted(self) -> str | None:
        """The key that its files should have now; None while an input is missing."""
        return _key(self.outputs, self.inputs, map(repr, self.params))

    def present(self) -> str | None:
        """The key that its files have; None if one is missing, of other inputs than are there, or without a record."""
        records = [read_mapping(_place_of_record(each)) for each in self.outputs]
        facts = [(record.get("params") or [], record.get("input") or []) for record in records]
        if not self.are_there or not all(records) or any(each != facts[0] for each in facts):
            return None
        params, inputs = facts[0]
        oldest = min(Path(each).stat().st_mtime_ns for each in self.outputs)
        checksums = records[0].get("input_checksums") or {}
        if not all(_is_unchanged(Path(each), oldest, checksums.get(each)) for each in inputs):
            return None
        return _key(self.outputs, inputs, params)


def jobs(plan: Plan) -> Iterator[Job]:
    """The jobs whose results a setting may displace, each after those that it rests on."""
    for run in plan.runs.values():
        folder, manifest = plan.folder(run), plan.manifest(run)
        scoring = canonical_json(plan.scoring(run))
        for end in run.ends:
            record = f"{folder}/record-{end}.json"
            yield Job((record,), (manifest, *plan.previous_record(run, end)), (canonical_json(run.spec),))
            weights = plan.feature_weights() if run.workload.resolution else []
            yield Job(
                (f"{folder}/metrics-{end}.csv", f"{folder}/samples-{end}.npz"),
                (record, manifest, *plan.real_statistics(run), *weights),
                (scoring, run.previous_end(end)),
            )
    for paper, name, output in plan.outputs():
        patterns = ["record-{end}.json", "metrics-{end}.csv"]
        patterns += ["samples-{end}.npz"] if output.family == "figure" else []
        inputs = [file for pattern in patterns for file in plan.run_files(output, pattern)]
        inputs += plan.published(paper, name) if output.family == "table" else []
        files = tuple(f"{plan.results}/{paper}/{name}.{suffix}" for suffix in output.suffixes)
        yield Job(files, tuple(inputs), (order_digest(plan, paper, name),))
    yield Job(
        (f"{plan.results}/report.html",), tuple(dict.fromkeys(plan.output_files())), (orders_digest(plan),)
    )


def folder_of(plan: Plan) -> Path:
    """Where the earlier results of a scale lie."""
    return Path(plan.results, "earlier")


def put_aside(plan: Plan, planned: Iterable[str]) -> None:
    """Copy what the planned jobs (given by their outputs) are about to displace; nothing is made of missing files."""
    shelf, about_to_be_made = folder_of(plan), set(planned)
    for job in jobs(plan):
        if about_to_be_made.isdisjoint(job.outputs):
            continue
        key = job.present()
        if key == job.wanted() and about_to_be_made.isdisjoint(job.inputs):
            # Made again under the same settings, by newer code perhaps: nobody wants the old ones back.
            shutil.rmtree(shelf / job.name / str(key), ignore_errors=True)
        elif key:
            _copy(job, shelf / job.name / key)


def put_back(plan: Plan) -> list[str]:
    """Put back the earlier results that the plan asks for; return their names."""
    shelf = folder_of(plan)
    if not shelf.is_dir():
        return []
    known = list(jobs(plan))
    present = {job.name: job.present() if (shelf / job.name).is_dir() else None for job in known}
    back: set[str] = set()
    with contextlib.suppress(OSError):  # results that are read only, say: then Snakemake makes what it misses
        for job in known:
            wanted = job.wanted()
            kept = shelf / job.name / str(wanted)
            if (
                wanted
                and wanted != present[job.name]
                and (kept / "whole").is_file()
                and _is_usable(job, kept)
            ):
                if key := present[job.name]:
                    _copy(job, shelf / job.name / key)
                back.update(job.outputs)
                _restore(job, kept)
    # Whatever else rests on a file that is another now is older than it: Snakemake shall see that.
    for job in known:
        if job.are_there and not back.issuperset(job.outputs):
            for each in back.intersection(job.inputs):
                with contextlib.suppress(OSError):
                    os.utime(each)
    return sorted(back)


def _is_unchanged(path: Path, since: int, checksum: str | None) -> bool:
    """Whether a file is there and no newer than `since` (ns), or, as Snakemake has it too, was made again the same."""
    if not path.is_file():
        return False
    changed = path.stat().st_mtime_ns
    return changed <= since or checksum == f"sha256:{_content(str(path), changed)}"


def _is_usable(job: Job, kept: Path) -> bool:
    """Whether the checkpoints that a kept record lists are still there."""
    if not Path(job.outputs[0]).name.startswith("record-"):
        return True
    record = read_mapping(kept / "0")
    return all(
        (Path(job.outputs[0]).parent / each["file"]).is_file() for each in record.get("checkpoints", [])
    )


def _copy(job: Job, kept: Path) -> None:
    """Copy the files of a job and Snakemake's records of them; `whole` comes last."""
    with contextlib.suppress(OSError):  # a full disk, say: the results are made anew when they are wanted
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        for index, output in enumerate(job.outputs):
            shutil.copy2(output, kept / str(index))
            shutil.copy2(_place_of_record(output), kept / f"{index}.record")
        (kept / "whole").touch()


def _restore(job: Job, kept: Path) -> None:
    """Put the files back, with their times, and then the records: a file never has a better record than it should."""
    for index, output in enumerate(job.outputs):
        _replace(kept / str(index), Path(output))
    for index, output in enumerate(job.outputs):
        _replace(kept / f"{index}.record", _place_of_record(output))
    shutil.rmtree(kept)


def _replace(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name[:64]}.", dir=target.parent) as folder:
        copy = Path(folder) / "copy"
        shutil.copy2(source, copy)
        copy.replace(target)


def _key(outputs: Iterable[str], inputs: Iterable[str], params: Iterable[str]) -> str | None:
    try:
        contents = {each: _content(each, Path(each).stat().st_mtime_ns) for each in inputs}
    except OSError:
        return None
    return digest_of({"outputs": list(outputs), "inputs": contents, "params": sorted(params)})


@cache
def _content(path: str, changed: int) -> str:
    return sha256_of_file(Path(path))


def _place_of_record(output: str) -> Path:
    """Where Snakemake keeps what it knows of a file: its name in base 64, cut to what a file system allows."""
    name, longest = urlsafe_b64encode(output.encode()).decode(), 254
    parts = [name[start : start + longest] for start in range(0, len(name), longest)]
    return RECORDS.joinpath(*(f"@{part}" for part in parts[:-1]), parts[-1])
