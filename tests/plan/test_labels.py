"""Labels that hold settings say what was trained, whatever a scale or a user changes."""

import re
from typing import Any

import pytest
import yaml
from tests.plan.conftest import BCGAN, TRIAL, Checkout
from tests.shipped import shipped

from gantry.plan import Plan, load_plan
from gantry.plan.labels import distinct
from gantry.plan.report_specs import report_spec

# A number that stands alone ("λ = 0.5", "GAN (100)", "batch 64"), not one in a name ("GAN-0GP", "N(0, 0.02)").
TYPED = re.compile(r"(?<![\w-])\d")
NAMES = re.compile(r"\{[^}]*\}|N\([^)]*\)|z of 0 and 1")


def labels_of(plan: Plan, paper: str, output: str) -> dict[str, str]:
    return {group["recipe"]: group["recipe_label"] for group in report_spec(plan, paper, output)["groups"]}


def shipped_labels() -> list[str]:
    """Every label of the shipped experiments, as it is written."""
    found = []
    for path in shipped("workflow/experiments"):
        text = yaml.safe_load(path.read_text(encoding="utf-8"))
        found += [variant["label"] for variant in text.get("variants", {}).values()]
        for output in text["outputs"].values():
            found += [label for block in output["runs"] for label in block["recipes"].values()]
    return found


def test_no_label_has_a_setting_typed_in() -> None:
    labels = shipped_labels()
    assert len(labels) > 800
    assert [label for label in labels if TYPED.search(NAMES.sub("", label))] == []


@pytest.mark.parametrize(
    "label", ["λ_D = 1, λ_G = 0.5", "GAN (4,000)", "Adam (0.5, 0.9)", "A: 1:1", "batch 64", "50 clusters"]
)
def test_one_typed_in_is_found(label: str) -> None:
    assert TYPED.search(label)


def test_a_label_says_the_weight_that_a_user_gives() -> None:
    given: dict[str, Any] = {"scale": "laptop", "papers": ["bcgan"]}
    assert labels_of(load_plan(given, quiet=True), "bcgan", "table5")["bcgan"] == "λ_D = 1, λ_G = 0.5"
    changed = given | {"recipes": {"bcgan": {"terms": {"sample_spread": 0.25}}}}
    plan = load_plan(changed, quiet=True)
    assert labels_of(plan, "bcgan", "table5")["bcgan"] == "λ_D = 1, λ_G = 0.25"
    (group,) = [
        group for group in report_spec(plan, "bcgan", "table5")["groups"] if group["recipe"] == "bcgan"
    ]
    assert group["recipe_changes"] == ["terms.sample_spread: 0.25 instead of 0.5"]


def test_a_label_says_what_a_scale_has() -> None:
    """At quick the digits in place of CIFAR-10 have 500 labels in place of 4,000."""

    def known(scale: str) -> dict[str, str]:
        return labels_of(
            load_plan({"scale": scale, "papers": ["conditional"]}, quiet=True),
            "conditional",
            "label_curve_cifar10",
        )

    assert known("laptop")["pictures_semi_supervised_4000"] == "GAN (4,000)"
    assert known("quick")["pictures_semi_supervised_4000"] == "GAN (500) (pictures_semi_supervised_4000)"


def test_a_setting_that_a_user_has_taken_away_is_said_to_be_none(checkout: Checkout) -> None:
    checkout.edit(BCGAN, "realnessgan: RealnessGAN, ", 'realnessgan: "{objective.atoms} atoms", ')
    assert labels_of(checkout.plan(papers=["bcgan"]), "bcgan", "table2")["realnessgan"] == "51 atoms"
    changed = checkout.plan(papers=["bcgan"], recipes={"realnessgan": {"objective": {"name": "hinge"}}})
    assert labels_of(changed, "bcgan", "table2")["realnessgan"] == "none atoms"


def test_a_setting_that_a_scale_has_taken_away_is_said_to_be_none(checkout: Checkout) -> None:
    checkout.edit(BCGAN, "realnessgan: RealnessGAN, ", 'realnessgan: "head {networks.head}", ')
    checkout.edit(TRIAL, "networks: {width: 16}", "networks: {family: sngan, width: 16}")
    assert labels_of(checkout.plan(papers=["bcgan"]), "bcgan", "table2")["realnessgan"] == "head none"


def test_a_key_that_the_recipe_has_not_is_told(checkout: Checkout) -> None:
    checkout.edit(BCGAN, "{terms.sample_spread}", "{terms.sample_spred}")
    (first, *_) = checkout.problems()
    assert first.startswith(
        f"{BCGAN}: outputs.figure11.runs.0.recipes.synthetic_bcgan: the recipe has no setting "
    )
    assert "'terms.sample_spred'; did you mean \"terms.sample_spread\"?" in first


def test_names_stand_beside_equal_labels() -> None:
    assert distinct({"a": "x", "b": "x", "c": "y"}) == {"a": "x (a)", "b": "x (b)", "c": "y"}
