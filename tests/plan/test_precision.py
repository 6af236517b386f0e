"""One word gives every recipe another precision, as a deviation that tables state; recipes that name one keep it."""

from pathlib import Path

import pytest

from gantry.plan import Plan, load_plan
from gantry.plan.describe import describe
from gantry.plan.report_specs import report_spec
from gantry.system import processor


def test_every_recipe_that_names_none_and_a_note_in_every_table(repository: Path) -> None:
    usual = load_plan({"scale": "laptop"}, repository)
    assert {recipe.precision for recipe in usual.recipes.values()} == {"fp32"}
    quick = load_plan({"scale": "laptop", "precision": "bf16"}, repository)
    asked = {(recipe.networks.makes == "points", recipe.precision) for recipe in quick.recipes.values()}
    assert asked == {(True, "fp32"), (False, "bf16")}, "points would lose their place"
    run = next(run for run in quick.runs.values() if run.workload.resolution)
    assert run.spec_digest != usual.runs[run.key].spec_digest, "another run, in another folder"
    assert any("bf16" in sentence for sentence in _deviations(quick, "table5"))
    again = load_plan({"scale": "laptop", "precision": "fp32"}, repository)
    assert again.runs[run.key].spec_digest == usual.runs[run.key].spec_digest, "the default changes no run"


def _deviations(plan: Plan, output: str) -> list[str]:
    """What an output of BCGAN says of its rows."""
    told = report_spec(plan, "bcgan", output)
    return [*told["overrides"], *(phrase for group in told["groups"] for phrase in group["recipe_changes"])]


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


@pytest.mark.parametrize(
    ("flags", "given", "said"),
    [
        ("fpu avx512f avx512_bf16", {}, "this processor multiplies bfloat16: "),
        ("fpu avx512f", {"precision": "bf16"}, "this processor does not multiply bfloat16: "),
        ("fpu avx512f avx512_bf16", {"precision": "bf16"}, ""),
        ("fpu avx512f", {}, ""),
    ],
)
def test_a_plan_says_whether_bf16_is_quick_on_this_processor(
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flags: str,
    given: dict[str, str],
    said: str,
) -> None:
    told = tmp_path / "cpuinfo"
    told.write_text(f"processor\t: 0\nmodel name\t: any\nflags\t\t: {flags}\n")
    monkeypatch.setattr(processor, "CPUINFO", told)
    plan = load_plan(
        {"scale": "quick", "outputs": {"bcgan": ["table5"]}, "papers": ["bcgan"]} | given, repository
    )
    found = [line for line in describe(plan).splitlines() if "bfloat16" in line]
    assert [line for line in found if line.startswith(said)] == found
    assert bool(found) == bool(said)
