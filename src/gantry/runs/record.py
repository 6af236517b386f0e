"""The run record: the last file of a training segment, and the only one that Snakemake knows."""

from pathlib import Path
from typing import Any

from gantry.errors import UserError
from gantry.files import digest_of, read_json, write_json

FORMAT = 2
REQUIRED = frozenset(
    ("run", "spec", "spec_digest", "data_digest", "iterations", "status", "checkpoints", "provenance")
)


def write_record(path: Path, content: dict[str, Any]) -> None:
    """Write a run record with a digest of itself, atomically."""
    write_json(path, signed({"format": FORMAT} | content))


def read_record(path: Path) -> dict[str, Any]:
    """Read a run record.

    Raises UserError where there is none, or it is damaged, of another version, or lists files outside of its run.
    """
    record = read_json(path, "the record of a training run")
    if not isinstance(record, dict) or record.get("format") != FORMAT or not record.keys() >= REQUIRED:
        raise UserError(
            f"{path}: not a record of this version of Gantry; delete it and run the same command again"
        )
    for entry in record["checkpoints"]:
        file = Path(entry["file"])
        if file.is_absolute() or ".." in file.parts:
            raise UserError(
                f"{path}: lists a checkpoint outside of its run's folder ({file}); delete the record"
            )
    if not is_whole(record) or record["spec_digest"] != digest_of(record["spec"]):
        raise UserError(
            f"{path}: the record is damaged (its digest does not match); delete it and run the same command again"
        )
    return record


def training_digest(record: dict[str, Any]) -> str:
    """The digest of what a record says of training, without when, where and by which code."""
    return digest_of({key: record[key] for key in sorted(REQUIRED - {"provenance"})})


def signed(content: dict[str, Any]) -> dict[str, Any]:
    """Return `content` with a digest of all of it."""
    return content | {"digest": digest_of(content)}


def is_whole(content: dict[str, Any]) -> bool:
    """Whether what `signed` returned is still what it was."""
    return content.get("digest") == digest_of(
        {key: value for key, value in content.items() if key != "digest"}
    )
