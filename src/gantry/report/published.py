"""The papers' numbers, as `workflow/published/*.csv` has them."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from gantry.errors import UserError, suggestion

# What the papers' columns call our metrics.
COLUMN_OF = {"frechet_distance": "fid", "inception_score": "is", "swd": "swd_x1e3"}


class Published:
    """A table of published numbers, looked up by the values of its key columns."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        try:
            # As text: what looks like a number may be a key, and 1 is not to become 1.0.
            self.frame = pd.DataFrame() if path is None else pd.read_csv(path, dtype=str)
        except FileNotFoundError:
            raise UserError(f"{path}: published numbers not found") from None
        except ValueError as error:
            raise UserError(f"{path}: published numbers cannot be read ({error})") from None

    def value(self, column: str, keys: Mapping[str, str], dataset: str) -> float | None:
        """The number in `column` of the row with these keys; None where the paper gives none.

        Raises UserError as `text` does, and for what is no number.
        """
        found = self.text(column, keys, dataset)
        try:
            return None if found is None else float(found)
        except ValueError:
            raise UserError(f"{self.path}: column {column}: {found!r} is not a number") from None

    def text(self, column: str, keys: Mapping[str, str], dataset: str) -> str | None:
        """What stands in `column` of the row with these keys; None where it is empty or missing.

        The data set, and a method's bare name (key "method"), count only where the file has such a column.
        Raises UserError for other keys that the file lacks, and for keys that leave several rows.
        """
        if column not in self.frame:
            return None
        rows = self.frame
        for key, wanted in keys.items():
            if key in rows:
                rows = rows[rows[key] == wanted]
            elif key != "method":
                near, known = suggestion(key, self.frame.columns), ", ".join(self.frame.columns)
                raise UserError(f"{self.path}: no column {key!r}{near}; it has {known}")
        if not len(rows) and set(keys) != {"method"}:
            raise UserError(f"{self.path}: no row with {_listed(keys)}: change the output's `methods`")
        if "dataset" in rows:
            rows = rows[rows["dataset"] == dataset]
        if len(rows) > 1:
            raise UserError(
                f"{self.path}: {len(rows)} rows with {_listed(keys)}: give every key column in `methods`"
            )
        found = rows[column].iloc[0] if len(rows) else None
        return str(found) if pd.notna(found) else None


def _listed(keys: Mapping[str, str]) -> str:
    return ", ".join(f"{key} {value}" for key, value in keys.items())
