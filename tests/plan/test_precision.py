"""One word gives every recipe another precision, as a deviation that tables state; recipes that name one keep it."""

import shutil
from pathlib import Path

from gantry.plan import load_plan
from gantry.plan.report_specs import report_spec


def test_every_recipe_that_names_none_and_a_note_in_every_table(repository: Path) -> None:
    usual = load_plan({"scale": "paper"}, repository)
    assert {recipe.precision for recipe in usual.recipes.values()} == {"fp32"}
    quick = load_plan({"scale": "paper", "precision": "bf16"}, repository)
    assert {recipe.precision for recipe in quick.recipes.values()} == {"bf16"}
    run = next(iter(quick.runs.values()))
    assert run.spec_digest != usual.runs[run.key].spec_digest, "another run, in another folder"
    told = report_spec(quick, "bcgan", "table5")
    said = [*told["overrides"], *(each for group in told["groups"] for each in group["recipe_changes"])]
    assert any("bf16" in sentence for sentence in said)
    again = load_plan({"scale": "paper", "precision": "fp32"}, repository)
    assert again.runs[run.key].spec_digest == usual.runs[run.key].spec_digest, "the default changes no run"


def test_recipes_that_compare_precisions_keep_theirs(repository: Path) -> None:
    plan = load_plan({"scale": "paper", "papers": ["precision"], "precision": "bf16"}, repository)
    assert {recipe.precision for recipe in plan.recipes.values()} >= {"tf32", "bf16"}


def test_a_scales_own_holds_on_gpus_and_gives_way_to_one_word(repository: Path, tmp_path: Path) -> None:
    shutil.copytree(repository / "workflow", tmp_path / "workflow")
    scale = tmp_path / "workflow/scales/paper.yaml"
    scale.write_text(f"{scale.read_text()}\nprecision: bf16\n")

    def precisions(**given: str) -> set[str]:
        plan = load_plan({"scale": "paper", "papers": ["bcgan"]} | given, tmp_path)
        return {recipe.precision for recipe in plan.recipes.values()}

    assert precisions() == {"bf16"}
    assert precisions(precision="fp32") == {"fp32"}
    assert precisions(device="cpu") == {"fp32"}
