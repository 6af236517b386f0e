"""The papers' numbers, as `workflow/published/*.csv` has them."""

from pathlib import Path

import pandas as pd

from gantry.errors import UserError

# What the papers' columns call our metrics.
COLUMN_OF = {"frechet_distance": "fid", "inception_score": "is", "swd": "swd_x1e3"}


class Published:
    """A table of published numbers, looked up by the values of its key columns."""

    def __init__(self, path: Path | None) -> None:
        try:
            self.frame = pd.DataFrame() if path is None else pd.read_csv(path)
        except FileNotFoundError:
            raise UserError(f"{path}: published numbers not found") from None
        except ValueError as error:
            raise UserError(f"{path}: published numbers cannot be read ({error})") from None

    def value(self, column: str, **keys: str) -> float | None:
        """The number in `column` of the row with these keys; None where the paper gives none."""
        if column not in self.frame:
            return None
        rows = self.frame
        for key, wanted in keys.items():
            rows = rows[rows[key].astype(str) == wanted] if key in rows else rows
        return float(rows[column].iloc[0]) if len(rows) and pd.notna(rows[column].iloc[0]) else None
