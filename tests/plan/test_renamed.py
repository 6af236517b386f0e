"""Keys by the names that they had before: read as they are now, said so, and no run is another by them."""

import re
from pathlib import Path

import pytest
from tests.plan.conftest import BCGAN, Checkout

from gantry.errors import UserError
from gantry.plan.output_types import OUTPUT_TYPES
from gantry.plan.recipe import Recipe
from gantry.plan.renamed import renamed
from gantry.plan.report_specs import report_specs_digest

FORMERLY = {
    "atoms: 51": "outcomes: 51",
    "logit_agreement: 1.0, sample_spread: 0.5": "verdict_agreement: 1.0, sample_spread: 0.5",
    "type: scatter": "kind: scatter",
}


def test_former_names_mean_the_same_and_are_named(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    now = checkout.plan()
    assert capsys.readouterr().err == ""
    for name, former in FORMERLY.items():
        checkout.edit(BCGAN, name, former)
    before = checkout.plan(recipes={"bcgan": {"terms": {"verdict_agreement": 1.0}}})
    assert {key: run.spec for key, run in before.runs.items()} == {
        key: run.spec for key, run in now.runs.items()
    }
    assert report_specs_digest(before) == report_specs_digest(now)
    said = capsys.readouterr().err
    assert f"gantry: {BCGAN}: recipes.realnessgan.objective.outcomes: is called atoms now" in said
    assert f"{BCGAN}: outputs.figure3.kind: is called type now" in said
    assert "config: recipes.bcgan.terms.verdict_agreement: is called logit_agreement now" in said


def test_a_change_by_the_former_name_is_one_of_the_same_key(checkout: Checkout) -> None:
    plan = checkout.plan(recipes={"synthetic_bcgan": {"objective": {"outcomes": 7}}})
    run = plan.run("mixture", "synthetic_bcgan", 0)
    assert run.spec["recipe"]["objective"]["outcomes"] == 7
    assert Recipe.of_spec(run.spec).objective == run.recipe.objective


def test_both_names_at_once_are_refused(checkout: Checkout) -> None:
    with pytest.raises(UserError, match=r"objective\.outcomes: unknown key"):
        checkout.plan(recipes={"bcgan": {"objective": {"outcomes": 7, "atoms": 7}}})


def test_names_elsewhere_are_left() -> None:
    text = {"outputs": {"kind": {"options": {"kind": "x"}}}, "schedule": {"kind": "linear"}, "outcomes": [1]}
    assert renamed(text) == text


def test_what_is_shipped_has_no_former_name(repository: Path) -> None:
    former = re.compile(rf"\bkind: ({'|'.join(OUTPUT_TYPES)})\b|\boutcomes: |\bverdict_agreement\b")
    docs = [
        path for path in (repository / "docs").glob("*.md") if path.name != "configuration.md"
    ]  # lists them
    files = [*(repository / "workflow").glob("*/*.yaml"), *docs]
    assert len(files) > 20
    assert {path.name: found[0] for path in files if (found := former.search(path.read_text("utf-8")))} == {}
