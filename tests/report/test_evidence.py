"""The table of claims that heads the measured results is what the files beside it say."""

import runpy

from tests.shipped import REPOSITORY


def test_the_table_of_claims_is_that_of_the_files() -> None:
    made = runpy.run_path(str(REPOSITORY / "benchmarks/evidence.py"))
    page = (REPOSITORY / "results/reference/README.md").read_text("utf-8")
    assert made["with_table"](page) == page, "uv run python benchmarks/evidence.py"
