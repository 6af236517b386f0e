"""The files of one run, read and checked; what is wrong with one comes with the command that makes it anew."""

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from gantry.errors import UserError
from gantry.files import read_json
from gantry.metrics import names


def read_record(path: Path, spec_digest: str, scale: str) -> dict[str, Any]:
    """The record of a segment that was trained with the spec of this digest.

    Raises UserError where there is none, it is damaged, or of another spec ("stale").
    """
    if not path.is_file():
        raise UserError(f"{path}: record not found; run: {command(path, scale)}")
    record: dict[str, Any] = read_json(path, "record of a training run")
    lacking = {"spec_digest", "iterations", "status", "provenance"} - record.keys()
    if record.get("format") != 1 or lacking:
        raise _unusable(path, "not a record of format 1", scale)
    if record["spec_digest"] != spec_digest:
        stale = (
            f"stale: trained with spec {record['spec_digest']}, the configuration now asks for {spec_digest}"
        )
        raise _unusable(path, stale, scale)
    return record


def read_metrics(path: Path, scale: str) -> pd.DataFrame:
    """The metrics of a segment's checkpoints, with the columns of `metrics.names.COLUMNS`; else UserError."""
    try:
        frame = pd.read_csv(
            path, dtype={"feature_network": str, "dataset": str, "recipe": str}, keep_default_na=False,
            na_values={"value": ["nan", "NaN", ""]},
        )  # fmt: skip
    except FileNotFoundError:
        raise UserError(f"{path}: metrics not found; run: {command(path, scale)}") from None
    except (OSError, ValueError) as error:
        raise _unusable(path, f"metrics cannot be read ({error})", scale) from None
    lacking = [column for column in names.COLUMNS if column not in frame]
    if lacking:
        raise _unusable(path, f"metrics without the columns {', '.join(lacking)}", scale)
    try:
        return frame.astype({"value": float, "feature_network": str})
    except ValueError as error:
        raise _unusable(path, f"metrics that are not numbers ({error})", scale) from None


def read_samples(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a segment's samples, by name (see `load.Run.samples`); else UserError."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise UserError(f"{path}: samples not found; run the same command again to score the run") from None
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise UserError(
            f"{path}: samples cannot be read ({error}); delete the file and run the same command again"
        ) from None


def command(path: Path | str, scale: str, *, force: bool = False) -> str:
    """The command that makes `path`; `force` where Snakemake would think the file still good."""
    anew = f" --forcerun {path}" if force else ""
    return f"uv run snakemake {path} --cores all --config scale={scale}{anew}"


def _unusable(path: Path, what: str, scale: str) -> UserError:
    return UserError(f"{path}: {what}; run: {command(path, scale, force=True)}")
