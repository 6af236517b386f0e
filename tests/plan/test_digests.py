"""What makes a run another run, and what does not."""

import re
from collections.abc import Mapping

import pytest
from tests.plan.conftest import BCGAN, DATASETS, TRIAL, Checkout
from tests.workflow.plans import REPOSITORY

from gantry.plan import Plan, load_plan
from gantry.plan.recipe import Recipe
from gantry.plan.report_specs import report_spec, report_spec_digest


def specs(plan: Plan) -> Mapping[str, str]:
    """The digest of every run."""
    return {key: run.spec_digest for key, run in plan.runs.items()}


def orders(plan: Plan) -> Mapping[str, str]:
    """The digest of everything that is handed to the report."""
    return {f"{paper}/{name}": report_spec_digest(plan, paper, name) for paper, name, _ in plan.outputs()}


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    """The keys of which something else is said, or which are on one side only."""
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


def reversed_blocks(text: str) -> str:
    """The recipes of an experiment in the opposite order."""
    head, rest = text.split("recipes:\n", 1)
    block, tail = re.split(r"\n(?=\w)", rest, maxsplit=1)
    block = re.sub(r"^ *#.*\n", "", block, flags=re.MULTILINE)
    block = re.sub(r" #.*", "", block)
    entries = re.findall(r"  \w+:\n(?:    .*\n?)+", block + "\n")
    assert len(entries) > 10
    return head + "recipes:\n" + "".join(reversed(entries)) + "\n" + tail


COSMETIC = {
    "a comment": (BCGAN, lambda text: "# A remark.\n" + text.replace("generators: 2", "generators: 2 # two")),
    "0.5 as 0.50": (BCGAN, lambda text: text.replace("sample_spread: 0.5}", "sample_spread: 0.50}")),
    "0.5 as 5e-1": (BCGAN, lambda text: text.replace("sample_spread: 0.5}", "sample_spread: 5e-1}")),
    "1.0 as 1": (BCGAN, lambda text: text.replace("logit_agreement: 1.0", "logit_agreement: 1")),
    "2 as 2.0": (BCGAN, lambda text: text.replace("generators: 2\n", "generators: 2.0\n")),
    "2.0e-4 as 2e-4": (BCGAN, lambda text: text.replace("2.0e-4", "2e-4")),
    "2.0e-4 as 0.0002": (BCGAN, lambda text: text.replace("2.0e-4", "0.0002")),
    "the order of keys": (
        BCGAN,
        lambda text: text.replace(
            "{name: realness, atoms: 51, formulation: reference}",
            "{formulation: reference, atoms: 51, name: realness}",
        ),
    ),
    "the order of recipes": (BCGAN, reversed_blocks),
    "a default said aloud": (
        BCGAN,
        lambda text: text.replace("generators: 2\n", "generators: 2\n    ema: 0\n"),
    ),
    "where data lie": (DATASETS, lambda text: text.replace("path: celeba", "path: /elsewhere")),
    "how to get data": (DATASETS, lambda text: text.replace("1.4 GB", "1.5 GB")),
    "the scale's remarks": (TRIAL, lambda text: "# A remark.\n" + text),
}


@pytest.mark.parametrize("edit", COSMETIC)
@pytest.mark.parametrize("scale", ["trial", "paper"])
def test_a_cosmetic_edit_changes_nothing(checkout: Checkout, edit: str, scale: str) -> None:
    before = checkout.plan(scale=scale)
    file, rewrite = COSMETIC[edit]
    path = checkout.root / file
    text = path.read_text(encoding="utf-8")
    assert rewrite(text) != text, "the edit finds nothing to edit any more"
    path.write_text(rewrite(text), encoding="utf-8")
    after = checkout.plan(scale=scale)
    assert changed(specs(before), specs(after)) == set()
    assert changed(orders(before), orders(after)) == set()
    for folder in before.prepared_sets():
        assert before.preparation(folder) == after.preparation(folder)


def test_a_weight_changes_one_recipes_runs_and_no_others(checkout: Checkout) -> None:
    before = specs(checkout.plan())
    after = specs(checkout.plan(recipes={"synthetic_bcgan_both": {"terms": {"sample_spread": 0.002}}}))
    assert changed(before, after) == {f"mixture/synthetic_bcgan_both/seed{seed}" for seed in (0, 1)}


def test_a_weight_changes_the_orders_that_show_it_and_no_others(checkout: Checkout) -> None:
    before = orders(checkout.plan())
    after = orders(checkout.plan(recipes={"synthetic_bcgan_both": {"terms": {"sample_spread": 0.002}}}))
    assert changed(before, after) == {
        "bcgan/figure11",
        "bcgan/synthetic_constraints",
        "bcgan/claims_constraints",
    }


def test_a_new_seed_only_adds_runs(checkout: Checkout) -> None:
    before, after = specs(checkout.plan(seeds=[0])), specs(checkout.plan(seeds=[0, 7]))
    assert changed(before, after) == after.keys() - before.keys()
    assert {key.rpartition("/")[2] for key in after.keys() - before.keys()} == {"seed7"}
    assert len(after) == 2 * len(before)


@pytest.mark.parametrize(
    "patch",
    [
        {"iterations": 800},
        {"samples": 100},
        {"shown": 4},
        {"snapshots": [200]},
        {"metrics": ["js"]},
        {"final_metrics": ["w2"]},
        {"extended_iterations": 800},
    ],
)
def test_how_long_and_how_scored_is_not_in_the_spec(checkout: Checkout, patch: dict[str, object]) -> None:
    """A longer run goes on from where it stands, and another metric needs no training."""
    after = checkout.plan(workloads={"synthetic": patch})
    assert changed(specs(checkout.plan()), specs(after)) == set()


def test_iterations_are_nowhere_in_a_spec(checkout: Checkout) -> None:
    plan = checkout.plan(workloads={"synthetic": {"iterations": 12300, "checkpoint_every": 100}})
    run = plan.run("mixture", "synthetic_bcgan", 0)
    assert "12300" not in repr(run.spec)
    assert run.spec["checkpoint_every"] == 100
    assert run.ends == (12300,)


@pytest.mark.parametrize("patch", [{"fraction": 0.5}, {"crop": "resize"}, {"options": {"seed": 1}}])
def test_other_data_make_other_runs(checkout: Checkout, patch: dict[str, object]) -> None:
    found = changed(specs(checkout.plan()), specs(checkout.plan(datasets={"mixture": patch})))
    assert found
    assert all(key.startswith("mixture/") for key in found)


def test_a_key_that_is_new_to_the_models_changes_no_old_spec(checkout: Checkout) -> None:
    """Defaults are left out of a spec, so a default that joins them later cannot change its digest."""
    spec = checkout.plan(scale="paper", precision="fp32").run("celeba", "bcgan", 0).spec
    assert spec["recipe"] == {
        "networks": {"family": "dcgan", "power_iteration": "per_batch"},
        "objective": {"name": "realness"},
        "generators": 2,
        "terms": {"verdict_agreement": 1.0, "sample_spread": 0.5},
    }


def test_a_segment_length_cuts_training_and_changes_no_spec(checkout: Checkout) -> None:
    whole, cut = checkout.plan(), checkout.plan(segment_iterations=200)
    assert changed(specs(whole), specs(cut)) == set()
    run = cut.run("mixture", "synthetic_bcgan", 0)
    assert run.ends == (200, 400)
    assert run.previous_end(400) == 200
    assert run.previous_end(200) == 0
    assert run.ends_until(200) == [200]
    place = f"results/trial/runs/mixture/synthetic_bcgan/seed0/{run.spec_digest}"
    assert cut.previous_record(run, 400) == [f"{place}/record-200.json"]
    assert cut.previous_record(run, 200) == []


def test_longer_runs_of_some_outputs_add_a_segment(checkout: Checkout) -> None:
    plan = checkout.plan(workloads={"images": {"extended_iterations": 480}})
    assert plan.run("digits", "bcgan", 0).ends == (240, 480)
    ends = {
        name: report_spec(plan, "bcgan", name)["groups"][0]["runs"][0]["ends"]
        for name in ("figure9", "table2")
    }
    assert ends == {"figure9": [240, 480], "table2": [240]}
    assert report_spec(plan, "bcgan", "figure9")["paper_iterations"] == 1_000_000


def test_a_caption_changes_one_order(checkout: Checkout) -> None:
    before = orders(checkout.plan())
    checkout.edit(BCGAN, "FID and IS over the checkpoints (table 2)", "FID and IS (table 2)")
    assert changed(before, orders(checkout.plan())) == {"bcgan/table2"}


def test_a_spec_means_the_recipe_that_it_was_made_of() -> None:
    """Specs leave out defaults, and some options follow from others: what is left must say the same again."""
    papers = sorted(path.stem for path in (REPOSITORY / "workflow/experiments").glob("*.yaml"))
    recipes = load_plan({"scale": "paper", "papers": papers}, REPOSITORY).recipes
    assert len(recipes) > 400
    wrong = [
        name
        for name, recipe in recipes.items()
        if Recipe.of_spec({"recipe": recipe.as_spec()}).model_dump(exclude={"workload"})
        != recipe.model_dump(exclude={"workload"})
    ]
    assert not wrong
