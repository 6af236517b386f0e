"""What is said of a target that nothing makes, and of outputs that a scale leaves out."""

from pathlib import Path

import pytest
from tests.shipped import REPOSITORY

from gantry.plan import Plan, load_plan
from gantry.plan.targets import left_out, unknown_target


@pytest.fixture(scope="module")
def plan() -> Plan:
    return load_plan({"scale": "quick", "papers": ["bcgan", "edgan"]}, REPOSITORY)


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)


ASKED = {
    "bcgn": 'did you mean "bcgan"?',
    "tabel5": 'did you mean "table5"?',
    "table5": "give the file of the table or figure: results/quick/bcgan/table5.csv",
    "bcgan/table5": "give the file of the table or figure: results/quick/bcgan/table5.csv",
    "table2": "bcgan has it, but not at scale quick",
    "zoo": "add --config 'papers=[zoo]'",
    "results/quick/bcgan/tabel5.csv": 'did you mean "results/quick/bcgan/table5.csv"?',
    "results/quick/bcgan/table2.csv": "--config 'outputs={bcgan: all}'",
    "results/laptop/bcgan/table5.csv": "add --config scale=laptop, or ask for results/quick/bcgan/table5.csv",
    "results/laptop/bcgan/table9.csv": "add --config scale=laptop",
    "./results//laptop/report.html": "add --config scale=laptop, or ask for results/quick/report.html",
    "nonsense": "a target is a paper (bcgan, edgan), or a file such as results/quick/bcgan/",
}


@pytest.mark.parametrize("asked", ASKED)
def test_one_line_says_what_was_meant(plan: Plan, asked: str) -> None:
    said = unknown_target(plan, asked)
    assert said.startswith(f"{asked}: ") and ASKED[asked] in said
    assert "\n" not in said


def test_nothing_is_left_out_that_is_made_or_that_nobody_describes(plan: Plan) -> None:
    assert (
        left_out(plan, "bcgan/table5") == left_out(plan, "penalty_alone") == left_out(plan, "no_table") == ""
    )
    assert left_out(plan, "bcgan/table2") == left_out(plan, "table2") != ""


def test_what_is_offered_is_there(plan: Plan) -> None:
    """The setting that is offered brings the output back, on the data sets that the scale keeps."""
    whole = load_plan({"scale": "quick", "papers": ["bcgan"], "outputs": {"bcgan": "all"}}, REPOSITORY)
    names = {name for _, name, _ in whole.outputs()}
    assert len(names) > len({name for paper, name, _ in plan.outputs() if paper == "bcgan"})
    assert Path("workflow/experiments/zoo.yaml").is_file()
