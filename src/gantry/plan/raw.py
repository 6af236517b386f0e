"""The raw files of a data set as they lie on the disk, listed but not read: whether they are what was prepared."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gantry.errors import UserError
from gantry.files import read_mapping

if TYPE_CHECKING:
    from gantry.plan.plan import Plan

# What readers of a database touch without changing it.
UNHEEDED = ("lock.mdb",)
# Annotations and splits.
TABLES = (".txt", ".csv", ".tsv")


@dataclass(frozen=True)
class Difference:
    """A prepared set that is not what its raw files, or its settings, are now."""

    manifest: str
    message: str

    def __str__(self) -> str:
        return self.message


# (name below the place, bytes, time of the last change in ns) of a file.
Entry = tuple[str, int, int]


def entries_of(place: Path, looks_for: Iterable[str] = (), beside: Iterable[str] = ()) -> list[Entry]:
    """List the files at `place`, a file or folder, sorted by name, and those `beside` it that belong to it.

    Where `looks_for` names files or folders, these alone, and tables of text beside them, are the data: other sets
    may lie there too. Hidden files are left out, links are followed, each folder once, and what cannot be read is
    not listed.
    """
    tops = [place / name for name in looks_for if (place / name).exists()]
    if tops:
        tops += [path for path in place.iterdir() if path.suffix in TABLES and path.is_file()]
    found: dict[str, Entry] = {}
    seen: set[tuple[int, int]] = set()
    pending = (tops or [place]) + [place.parent / neighbour for neighbour in beside]
    while pending:
        path = pending.pop()
        try:
            facts = path.stat()
            if not path.is_dir():
                name = os.path.relpath(path, place)
                found[name] = (name, facts.st_size, facts.st_mtime_ns)
            elif (facts.st_dev, facts.st_ino) not in seen:
                seen.add((facts.st_dev, facts.st_ino))
                with os.scandir(path) as inside:
                    for entry in inside:
                        if entry.name.startswith(".") or entry.name in UNHEEDED:
                            continue
                        if entry.is_file():
                            facts = entry.stat()
                            name = os.path.relpath(entry.path, place)
                            found[name] = (name, facts.st_size, facts.st_mtime_ns)
                        elif entry.is_dir():
                            pending.append(Path(entry.path))
        except OSError:
            continue
    return sorted(found.values())


def listing(entries: Iterable[Entry]) -> dict[str, Any]:
    """Return number, bytes and a digest of the names, sizes and times of the files listed."""
    digest, files, size = hashlib.sha256(), 0, 0
    for name, length, changed in entries:
        digest.update(os.fsencode(name) + f"\0{length}\0{changed}\0".encode())
        files, size = files + 1, size + length
    return {"files": files, "bytes": size, "digest": digest.hexdigest()}


def differences(plan: "Plan", folders: Iterable[str] | None = None) -> list[Difference]:
    """The prepared sets, of those in `folders` or of all that the plan needs, that have to be prepared again.

    One whose raw files are gone is taken as it is. Raises UserError where `images` asks for another number than
    was found, in files that have not changed.
    """
    found: list[Difference] = []
    listed: dict[tuple[Path, tuple[str, ...], tuple[str, ...]], dict[str, Any] | None] = {}
    for name, (dataset, _) in plan.prepared_sets().items():
        manifest = f"{plan.prepared_root}/{name}/manifest.json"
        described = read_mapping(Path(manifest))
        if not described or (folders is not None and name not in folders):
            continue
        again = f"data set {dataset}: {{}}: {manifest} is made again"
        spec, place = plan.datasets[dataset], plan.source_of(dataset)
        prepared_as = {"name": described.get("name")} | described.get("identity", {})
        if prepared_as != plan.preparation(name):
            found.append(Difference(manifest, again.format("was prepared with other settings")))
            continue
        before = described.get("listing")
        if not spec.is_embedded and before and place.exists():
            key = (place, spec.looks_for, spec.beside)
            now = listed.setdefault(key, None) or listing(entries_of(*key))
            listed[key] = now
            if now["files"] and now != before:
                found.append(
                    Difference(
                        manifest, again.format(f"{place} is not what was prepared ({_change(before, now)})")
                    )
                )
                continue
        if spec.images is not None and described.get("source_count") != spec.images:
            raise UserError(
                f"datasets.{dataset}.images: {spec.images:,} expected, but {described.get('source_count')} were found "
                f"when {manifest} was made, and {place} has not changed since: correct `images`, or get the files"
            )
    return found


def _change(before: dict[str, Any], now: dict[str, Any]) -> str:
    """What has changed, in a few words."""
    if before["files"] != now["files"]:
        return f"{before['files']:,} files then, {now['files']:,} now"
    if before["bytes"] != now["bytes"]:
        return f"{before['bytes']:,} bytes then, {now['bytes']:,} now"
    return "other names or times of files"
