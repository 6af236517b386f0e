"""The files of one run, read and checked; what is wrong with one is made anew by the same command."""

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from gantry.errors import UserError
from gantry.metrics import names
from gantry.runs.outputs import AGAIN, verify_output
from gantry.runs.record import read_record as record_at


def read_record(path: Path, spec_digest: str) -> dict[str, Any]:
    """The record of a segment that was trained with the spec of this digest.

    Raises UserError where there is none, it is damaged, or of another spec.
    """
    if not path.is_file():
        raise UserError(f"{path}: run record not found; {AGAIN}")
    record = record_at(path)
    if record["spec_digest"] != spec_digest:
        raise UserError(
            f"{path}: of a run of another spec ({record['spec_digest']}, configured {spec_digest}); delete it and "
            "run the same snakemake command again"
        )
    return record


def read_metrics(path: Path) -> pd.DataFrame:
    """The metrics of a segment's checkpoints, with the columns of `metrics.names.COLUMNS`; else UserError."""
    verify_output(path)
    try:
        frame = pd.read_csv(
            path, dtype={"feature_network": str, "dataset": str, "recipe": str}, keep_default_na=False,
            na_values={"value": ["nan", "NaN", ""]},
        )  # fmt: skip
    except FileNotFoundError:
        raise UserError(f"{path}: metrics not found; {AGAIN}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: metrics cannot be read ({error}); {AGAIN}") from None
    lacking = [column for column in names.COLUMNS if column not in frame]
    if lacking:
        raise UserError(f"{path}: metrics without the columns {', '.join(lacking)}; {AGAIN}")
    try:
        return frame.astype({"value": float, "feature_network": str})
    except ValueError as error:
        raise UserError(f"{path}: metrics that are not numbers ({error}); {AGAIN}") from None


def read_samples(path: Path, metrics: Path) -> dict[str, np.ndarray]:
    """The arrays of a segment's samples, by name (see `load.Run.samples`), made together with `metrics`.

    UserError where they are missing or damaged.
    """
    verify_output(path, metrics)
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise UserError(f"{path}: samples not found; {AGAIN}") from None
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise UserError(f"{path}: samples cannot be read ({error}); {AGAIN}") from None
