"""One word gives every recipe another precision, as a deviation that tables state; recipes that name one keep it."""

from pathlib import Path

import pytest

from gantry.plan import Plan, load_plan
from gantry.plan.report_specs import report_spec


def test_every_recipe_that_names_none_and_a_note_in_every_table(repository: Path) -> None:
    usual = load_plan({"scale": "laptop"}, repository)
    assert {recipe.precision for recipe in usual.recipes.values()} == {"fp32"}
    quick = load_plan({"scale": "laptop", "precision": "bf16"}, repository)
    assert {recipe.precision for recipe in quick.recipes.values()} == {"bf16"}
    run = next(iter(quick.runs.values()))
    assert run.spec_digest != usual.runs[run.key].spec_digest, "another run, in another folder"
    assert any("bf16" in sentence for sentence in _deviations(quick, "table5"))
    again = load_plan({"scale": "laptop", "precision": "fp32"}, repository)
    assert again.runs[run.key].spec_digest == usual.runs[run.key].spec_digest, "the default changes no run"


def _deviations(plan: Plan, output: str) -> list[str]:
    """What an output of BCGAN says of its rows."""
    told = report_spec(plan, "bcgan", output)
    return [*told["overrides"], *(each for group in told["groups"] for each in group["recipe_changes"])]


def test_recipes_that_compare_precisions_keep_theirs(repository: Path) -> None:
    plan = load_plan({"scale": "paper", "papers": ["precision"]}, repository)
    asked = {name: recipe.precision for name, recipe in plan.recipes.items() if name.startswith("sngan_")}
    assert asked == {"sngan_fp32": "fp32", "sngan_tf32": "tf32", "sngan_bf16": "bf16"}


@pytest.mark.parametrize(
    ("given", "of_images"), [({}, "bf16"), ({"precision": "fp32"}, "fp32"), ({"device": "cpu"}, "fp32")]
)
def test_images_on_gpus_are_bfloat16_at_scale_paper(
    repository: Path, given: dict[str, str], of_images: str
) -> None:
    plan = load_plan({"scale": "paper", "papers": ["bcgan"]} | given, repository)
    assert plan.recipes["bcgan"].precision == of_images
    assert plan.recipes["synthetic_bcgan"].precision == "fp32", "points stay as they are"
    assert any("bf16" in sentence for sentence in _deviations(plan, "table5")) == (of_images == "bf16")
