"""The tutorial's notebook runs from top to bottom, and what is kept of its outputs is whole and small."""

import copy
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="not installed: nbclient (uv sync)")
nbclient = pytest.importorskip("nbclient", reason="not installed: nbclient (uv sync)")

TOY = "iterations, every, samples, width = 4, 2, 50, 8"
LARGEST = 250_000  # bytes


@pytest.fixture(scope="module")
def notebook(request: pytest.FixtureRequest) -> Any:
    return nbformat.read(request.config.rootpath / "docs/tutorial.ipynb", 4)


def code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def kinds(cell: Any) -> list[tuple[str, ...]]:
    """What kinds of outputs a cell has."""
    return [(output.output_type, *sorted(output.get("data", {"": ""}))) for output in cell.outputs]


def test_it_runs_at_toy_size_and_makes_the_kinds_of_outputs_that_are_kept(
    notebook: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    toy = copy.deepcopy(notebook)
    (parameters,) = [cell for cell in toy.cells if "parameters" in cell.metadata.get("tags", [])]
    assert parameters.source.partition("=")[0] == TOY.partition("=")[0]
    parameters.source = TOY
    where = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(toy, timeout=600, kernel_name="python3", resources=where).execute()
    for ran, kept in zip(code(toy), code(notebook), strict=True):
        assert kinds(ran) == kinds(kept), kept.source
    made = tmp_path / "results/quick/modes"
    assert {"modes.csv", "modes.tex", "places.png"} <= {path.name for path in made.iterdir()}


def test_its_outputs_are_those_of_one_run_from_top_to_bottom(
    notebook: Any, request: pytest.FixtureRequest
) -> None:
    assert [cell.execution_count for cell in code(notebook)] == list(range(1, len(code(notebook)) + 1))
    assert not any(
        output.output_type == "error" or output.get("name") == "stderr"
        for c in code(notebook)
        for output in c.outputs
    )
    assert (request.config.rootpath / "docs/tutorial.ipynb").stat().st_size < LARGEST
    text = "\n".join(cell.source for cell in code(notebook))
    assert "gantry" in text and "!" not in text.replace("!=", ""), "no command line"
