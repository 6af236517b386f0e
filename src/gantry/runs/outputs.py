"""Records of what the other steps make: what each was told, what it read, and the digests of what it wrote.

Snakemake remembers how a file was made only in the folder and under the name in which it was made. These records lie
beside the files, so a file of other settings, of other inputs or with a flipped bit is noticed wherever it goes.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from gantry.errors import UserError
from gantry.files import read_mapping, sha256_of_file, write_json
from gantry.runs.record import is_whole, signed, training_digest

FORMAT = 1
AGAIN = "run the same snakemake command again: it is made anew"


def record_of(output: str | Path) -> Path:
    """The record of the step that makes `output` as its first file: table2.csv → table2.record.json."""
    return Path(output).with_suffix(".record.json")


@contextmanager
def recorded(
    outputs: Sequence[Path], inputs: Sequence[Path], told: str, *, of_training: bool = False
) -> Iterator[dict[str, Any]]:
    """Make `outputs` in the block; then write their record, with what the block says of them, if anything.

    `told` is the digest of the step's parameters. Raises UserError if an input changes while it is read.
    """
    before = _digests(inputs, of_training)
    facts: dict[str, Any] = {}
    yield facts
    if before is None or _digests(inputs, of_training) != before:
        raise UserError(f"{outputs[0]}: what it is made of changed while it was read; {AGAIN}")
    content = {
        "format": FORMAT,
        "told": told,
        "inputs": [
            {"file": str(path), "digest": digest} for path, digest in zip(inputs, before, strict=True)
        ],
        "outputs": {path.name: sha256_of_file(path) for path in outputs},
    }
    write_json(record_of(outputs[0]), signed(content | ({"facts": facts} if facts else {})))


def is_current(
    outputs: Sequence[Path], inputs: Sequence[Path], told: str, *, of_training: bool = False
) -> bool:
    """Whether `outputs` were made as told, of these inputs (as far as they exist), and are what was written."""
    record = read_mapping(record_of(outputs[0]))
    if record.get("format") != FORMAT or not is_whole(record) or record["told"] != told:
        return False
    read = [file["digest"] for file in record["inputs"]]
    if len(read) != len(inputs):
        return False
    there = [(digest, path) for digest, path in zip(read, inputs, strict=True) if path.is_file()]
    if any(digest != content_digest(path, of_training=of_training) for digest, path in there):
        return False
    return all(record["outputs"].get(path.name) == content_digest(path) for path in outputs)


def verify_output(path: Path, made_as: Path | None = None) -> None:
    """Raise UserError if `path` is not what the record of its step (named after `made_as`) says was written.

    A file without a record was made by hand, and is taken as it is.
    """
    place = record_of(made_as or path)
    if not place.exists():
        return
    record = read_mapping(place)
    if not is_whole(record):
        raise UserError(f"{place}: the record is damaged (its digest does not match); {AGAIN}")
    if (
        path.name in record["outputs"]
        and path.is_file()
        and content_digest(path) != record["outputs"][path.name]
    ):
        raise UserError(
            f"{path}: damaged, or changed since it was made (its SHA-256 is not its record's); {AGAIN}"
        )


def _digests(inputs: Iterable[Path], of_training: bool) -> list[str] | None:
    """The digest of each input; None where one is missing, which whoever reads it will name."""
    try:
        return [content_digest(path, of_training=of_training) for path in inputs]
    except OSError:
        return None


def content_digest(path: Path, *, of_training: bool = False) -> str:
    """The digest of what a file says: of a manifest that of its data, else of its bytes.

    `of_training` reads run records without their provenance, so that a record written again is the same.
    """
    facts = path.stat()
    return _content(str(path), facts.st_mtime_ns, facts.st_size, of_training)


@cache
def _content(path: str, changed: int, size: int, of_training: bool) -> str:
    file = Path(path)
    found: dict[str, Any] = read_mapping(file) if file.suffix == ".json" else {}
    if file.name == "manifest.json" and "digest" in found:
        return str(found["digest"])
    if of_training and file.name.startswith("record-") and is_whole(found):
        return training_digest(found)
    return sha256_of_file(file)
