"""Fixtures of the tests of tables."""

import pandas as pd
import pytest

from gantry.report.tables.make import make_table


@pytest.fixture
def make(tmp_path, make_spec):
    def table(results, kind, groups, **changes) -> pd.DataFrame:
        spec = make_spec(results, kind, groups, **changes)
        return make_table(spec, tmp_path / "t.csv", tmp_path / "t.md", tmp_path / "t.tex")

    return table


@pytest.fixture
def published(repository):
    return {n: str(repository / f"workflow/published/bcgan_table{n}.csv") for n in (2, 3, 5)}
