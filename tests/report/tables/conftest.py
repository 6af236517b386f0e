"""Fixtures of the tests of tables."""

import pandas as pd
import pytest

from gantry.report.layout import arrange
from gantry.report.load import load
from gantry.report.specs import parse_spec
from gantry.report.tables.make import cells_of, make_table


@pytest.fixture
def make(tmp_path, make_spec):
    def table(results, kind, groups, **changes) -> pd.DataFrame:
        spec = make_spec(results, kind, groups, **changes)
        return make_table(spec, tmp_path / "t.csv", tmp_path / "t.md", tmp_path / "t.tex")

    return table


@pytest.fixture
def arrange_of(make_spec):
    """The only part of a table, arranged, with its footnotes."""

    def arranged(results, groups, **changes):
        spec = parse_spec(make_spec(results, "scores", groups, **changes))
        parts, footnotes = arrange(cells_of(load(spec)))
        return parts[0], footnotes

    return arranged


@pytest.fixture
def published(repository):
    return {n: str(repository / f"workflow/published/bcgan_table{n}.csv") for n in (2, 3, 5)}
