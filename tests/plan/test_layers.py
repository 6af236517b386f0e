"""`extends` within a file; the scale over the paper; the configuration over everything."""

from typing import Any

import pytest
from tests.plan.conftest import BCGAN, TRIAL, Checkout

from gantry.plan.layering import extended, laid_over, lineage, merged, with_settings
from gantry.plan.problems import Problems


def resolve(recipes: dict[str, Any], name: str) -> tuple[dict[str, Any], list[str]]:
    problems = Problems()
    line = lineage(recipes, name, "paper.yaml", problems)
    return extended(recipes, line), problems.messages


def test_a_chain_of_extends_keeps_what_the_nearest_recipe_says() -> None:
    recipes = {
        "grandparent": {"batch_size": 8, "optimiser": {"lr_g": 1, "lr_d": 1}, "generators": 1},
        "parent": {"extends": "grandparent", "optimiser": {"lr_g": 2}, "generators": 2},
        "child": {"extends": "parent", "optimiser": {"lr_d": 3}},
    }
    found, problems = resolve(recipes, "child")
    assert found == {"batch_size": 8, "optimiser": {"lr_g": 2, "lr_d": 3}, "generators": 2}
    assert problems == []
    assert recipes["child"] == {"extends": "parent", "optimiser": {"lr_d": 3}}, "the file's own text changed"


def test_a_recipe_may_extend_several_and_the_last_is_the_nearest() -> None:
    recipes: dict[str, dict[str, Any]] = {
        "points": {"generators": 1, "ema": 0.0, "batch_size": 100},
        "two": {"extends": "points", "generators": 2},
        "averaged": {"extends": "points", "ema": 0.9, "batch_size": 50},
        "both": {"extends": ["two", "averaged"], "flip": True},
    }
    problems = Problems()
    line = lineage(recipes, "both", "paper.yaml", problems)
    assert line == ["both", "averaged", "two", "points"] and not problems.messages
    # What `two` changes of their common ancestor is not undone by the way to it through `averaged`.
    assert extended(recipes, line) == {"generators": 2, "ema": 0.9, "batch_size": 50, "flip": True}
    recipes["both"]["extends"] = ["averaged", "nobody"]
    lineage(recipes, "both", "paper.yaml", problems)
    assert "recipes.both.extends: unknown recipe 'nobody'" in problems.messages[0]


@pytest.mark.parametrize(
    ("recipes", "message"),
    [
        (
            {"a": {"extends": "b"}, "b": {"extends": "a"}},
            "paper.yaml: recipes.b.extends: circular: a → b → a",
        ),
        ({"a": {"extends": "a"}}, "paper.yaml: recipes.a.extends: circular: a → a"),
        (
            {"a": {"extends": "ab"}, "abc": {}},
            "paper.yaml: recipes.a.extends: unknown recipe 'ab'; did you mean \"abc\"?; known: a, abc",
        ),
        (
            {"a": {"extends": {"b": 1}}, "b": {}},
            "paper.yaml: recipes.a.extends: unknown recipe {'b': 1}; known: a, b",
        ),
    ],
)
def test_extends_that_leads_nowhere(recipes: dict[str, Any], message: str) -> None:
    _, problems = resolve(recipes, "a")
    assert problems == [message]


@pytest.mark.parametrize(
    ("block", "base", "own", "expected"),
    [
        ("networks", {"family": "dcgan", "width": 64}, {"family": "mlp"}, {"family": "mlp"}),
        ("networks", {"family": "dcgan", "width": 64}, {"width": 16}, {"family": "dcgan", "width": 16}),
        (
            "networks",
            {"family": "dcgan", "width": 64},
            {"family": "dcgan", "head": "linear"},
            {"family": "dcgan", "width": 64, "head": "linear"},
        ),
        ("objective", {"name": "realness", "atoms": 51}, {"name": "minimax"}, {"name": "minimax"}),
    ],
)
def test_another_family_or_name_starts_the_block_afresh(
    block: str, base: dict[str, Any], own: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Its parent's keys belong to another model, and would be unknown to the new one."""
    assert laid_over({block: base, "generators": 2}, {block: own}) == {block: expected, "generators": 2}


def test_the_configuration_may_change_an_objective_too(checkout: Checkout) -> None:
    plan = checkout.plan(recipes={"realnessgan": {"objective": {"name": "non_saturating"}}})
    assert plan.recipes["realnessgan"].objective.name == "non_saturating"


def test_merging_replaces_all_but_mappings() -> None:
    base = {"list": [1, 2], "block": {"kept": 1, "changed": 1}, "gone": {"a": 1}}
    patch = {"list": [3], "block": {"changed": 2, "new": 3}, "gone": 4}
    assert merged(base, patch) == {
        "list": [3],
        "block": {"kept": 1, "changed": 2, "new": 3},
        "gone": 4,
    }


def test_the_scale_lies_over_the_recipe_and_the_configuration_over_the_scale(checkout: Checkout) -> None:
    assert checkout.plan(scale="paper").recipes["bcgan"].networks.width == 32  # the recipe's own
    assert checkout.plan().recipes["bcgan"].networks.width == 16  # the scale's patch
    own = checkout.plan(recipes={"bcgan": {"networks": {"width": 8}}})
    assert own.recipes["bcgan"].networks.width == 8
    assert own.recipes["realnessgan"].networks.width == 16, "a patch of one recipe reached another"
    all_images = checkout.plan(workloads={"images": {"recipe": {"networks": {"width": 4}}}})
    assert all_images.recipes["realnessgan"].networks.width == 4


def test_the_configurations_workload_lies_over_the_scales(checkout: Checkout) -> None:
    plan = checkout.plan(workloads={"images": {"iterations": 80}})
    assert plan.workloads["images"].iterations == 80
    assert plan.workloads["images"].resolution == 32, "the scale's own patch is lost"
    assert plan.workloads["synthetic"].iterations == 400


def test_the_configurations_data_set_lies_over_the_shipped_one(checkout: Checkout) -> None:
    plan = checkout.plan(scale="paper", datasets={"celeba": {"path": "/faces", "fraction": 0.5}})
    assert (plan.datasets["celeba"].path, plan.datasets["celeba"].fraction) == ("/faces", 0.5)
    assert plan.datasets["celeba"].title == "CelebA"


def test_the_configurations_proxy_lies_over_the_scales(checkout: Checkout) -> None:
    plan = checkout.plan(substitute={"celeba": "china"})
    assert plan.dataset_for("celeba") == "china"
    assert plan.dataset_for("lsun_bedroom") == "flower"


def test_a_recipe_that_only_extends_is_the_same_training(checkout: Checkout) -> None:
    checkout.edit(BCGAN, "  # Table 5:", "  twin:\n    extends: bcgan\n  # Table 5:")
    plan = checkout.plan()
    assert plan.recipes["twin"] == plan.recipes["bcgan"]


def test_papers_may_share_a_name_only_for_the_same_thing(checkout: Checkout) -> None:
    """Runs are keyed by recipe: two papers' different recipes of one name would share folders."""
    text = (checkout.root / BCGAN).read_text(encoding="utf-8")
    (checkout.root / "workflow/experiments/other.yaml").write_text(text, encoding="utf-8")
    assert len(checkout.plan(papers=["bcgan", "other"]).runs) == len(checkout.plan().runs)
    checkout.edit("workflow/experiments/other.yaml", "sample_spread: 0.5", "sample_spread: 0.7")
    problems = checkout.problems(papers=["bcgan", "other"])
    assert (
        "workflow/experiments/other.yaml: recipes.bcgan: another paper has something else of this name: rename one"
        in problems
    )


def test_a_scale_may_name_the_workload_of_a_paper_that_is_not_chosen(checkout: Checkout) -> None:
    text = (checkout.root / BCGAN).read_text(encoding="utf-8").replace("images:", "faces:")
    (checkout.root / "workflow/experiments/other.yaml").write_text(text, encoding="utf-8")
    checkout.append(TRIAL, "  faces:\n    iterations: 40\n")
    assert "faces" not in checkout.plan().workloads
    checkout.append(TRIAL, "  nobodys:\n    iterations: 40\n")
    (problem,) = checkout.problems()
    assert problem.startswith(f"{TRIAL}: workloads.nobodys: unknown workload 'nobodys'")


def test_settings_of_a_command_line_are_yaml() -> None:
    given = {"scale": "paper", "workloads": {"images": {"resolution": 256, "samples": 5}}}
    settings = ["scale=smoke", "workloads={images: {resolution: 64}}", "seeds=[0, 1]", "device=null"]
    assert with_settings(given, settings) == {
        "scale": "smoke",
        "workloads": {"images": {"resolution": 64, "samples": 5}},
        "seeds": [0, 1],
        "device": None,
    }
    assert given["scale"] == "paper", "the configuration itself was changed"


def test_a_paper_based_on_another_knows_its_recipes_and_trains_only_its_own_outputs(
    checkout: Checkout,
) -> None:
    extras = checkout.plan(papers=["bcgan_extras"])
    assert extras.recipes["bcgan"] == checkout.plan().recipes["bcgan"]
    assert extras.recipes["bcgan_beta2"].optimiser.betas == (0.5, 0.999)
    assert "digits/bcgan_patchgan/seed0" not in extras.runs and "digits/bcgan_beta2/seed0" in extras.runs
    both = checkout.plan(papers=["bcgan", "bcgan_extras"])
    assert both.run("digits", "bcgan", 0).spec_digest == extras.run("digits", "bcgan", 0).spec_digest
