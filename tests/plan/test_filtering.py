"""A configuration that keeps some data sets: fewer runs, and only what can be said of them."""

import pytest
from tests.plan.conftest import TRIAL

from gantry.errors import UserError
from gantry.plan.filtering import _filtered_claims
from gantry.plan.loading import load_plan
from gantry.plan.output_types import OUTPUT_TYPES
from gantry.plan.output_types.claims import ClaimsOptions
from gantry.plan.report_specs import report_spec

PAPERS = ("bcgan", "bcgan_small", "bcgan_extras", "edgan", "zoo")


def plan_of(repository, *only, papers=("edgan",)):
    given = {"scale": "paper", "papers": list(papers)}
    return load_plan(given | ({"only_datasets": list(only)} if only else {}), repository)


def used_by(plan):
    return {
        name
        for _, _, output in plan.outputs()
        for block in output.runs
        for name in block.datasets
    }  # fmt: skip


def test_the_runs_of_one_data_set_are_left_as_they_are(repository):
    whole, one = plan_of(repository), plan_of(repository, "cifar10")
    assert one.runs == {key: run for key, run in whole.runs.items() if run.dataset == "cifar10"}
    assert 0 < len(one.runs) < len(whole.runs)
    same = report_spec(one, "edgan", "table3")
    assert same == report_spec(whole, "edgan", "table3")  # which is about CIFAR-10 alone: not made again


def test_a_table_of_five_data_sets_has_one_column_of_them(repository):
    datasets = {
        group["dataset_name"]
        for group in report_spec(plan_of(repository, "svhn"), "edgan", "table6")["groups"]
    }
    assert datasets == {"svhn"}
    assert "table1" not in plan_of(repository, "svhn").experiments["edgan"].outputs  # of CIFAR-10 only


def test_claims_are_those_that_can_be_tested(repository):
    whole, one = plan_of(repository), plan_of(repository, "svhn")
    names = [
        {claim["name"]: claim for claim in report_spec(plan, "edgan", "claims_networks")["options"]["claims"]}
        for plan in (whole, one)
    ]
    assert set(names[1]) < set(names[0])
    better = next(claim for claim in names[0].values() if len(claim.get("each", {})) == 5)
    assert list(names[1][better["name"]]["each"]) == ["svhn"]
    assert names[1][better["name"]]["each"]["svhn"] == better["each"]["svhn"]


@pytest.mark.parametrize("paper", PAPERS)
def test_every_claim_left_has_all_its_sides_for_every_data_set(repository, paper):
    for name in sorted(used_by(plan_of(repository, papers=(paper,)))):
        plan = plan_of(repository, name, papers=(paper,))
        assert used_by(plan) == {name}
        for experiment, _, output in plan.outputs():
            pairs = {
                (set_, recipe) for block in output.runs for set_ in block.datasets for recipe in block.recipes
            }
            options = OUTPUT_TYPES[output.type].options.model_validate(output.options)
            assert {recipe for _, recipe in options.recipes()} <= {recipe for _, recipe in pairs}
            if isinstance(options, ClaimsOptions):
                for claim in options.claims:
                    about = list(claim.each) or [claim.test.of.dataset or name]
                    sides = [(set_, side.recipe) for set_ in about for side in claim.sides]
                    assert set(sides) <= pairs, (experiment, claim.name)


def test_a_name_that_no_output_uses_is_a_mistake(repository):
    with pytest.raises(UserError, match=r"only_datasets: unknown data set of these papers 'cifar'.*cifar10"):
        plan_of(repository, "cifar")
    with pytest.raises(UserError, match=r"only_datasets.*lsun_bridge"):  # known, but not to this paper
        plan_of(repository, "lsun_bridge")


def test_a_claim_keeps_the_baselines_that_are_left_and_goes_with_the_last():
    """By hand: two baselines, of which one's data set is gone; then both."""
    test = {"metric": "frechet_distance", "of": {"recipe": "ours"}, "expect": "lower"}
    claim = {"name": "c", "statement": "s", "baselines": {"one": "", "two": ""}, "test": test}
    options = ClaimsOptions.model_validate({"claims": [claim]})

    def left(*recipes):
        found = list(_filtered_claims(options, {("set", recipe) for recipe in recipes}))
        return [sorted(claim.baselines) for claim in found]

    assert left("ours", "one", "two") == [["one", "two"]]
    assert left("ours", "two") == [["two"]]
    assert left("ours") == [] and left("one", "two") == []


def test_a_recipe_alone_keeps_the_claims_that_it_is_enough_for(repository):
    given = {"scale": "paper", "papers": ["conditional"]}
    whole = load_plan(given, repository)
    named = ["pictures_projection", "pictures_class_blind"]
    plan = load_plan(
        given | {"only_recipes": named, "outputs": {"conditional": ["digits", "digits_claims"]}}, repository
    )
    assert plan.runs == {
        key: run
        for key, run in whole.runs.items()
        if run.recipe_name in named and run.dataset == "digits_split"
    }
    claims = [
        claim["name"] for claim in report_spec(plan, "conditional", "digits_claims")["options"]["claims"]
    ]
    assert claims == ["projection draws what is asked for", "the control does not", "projection per class"]
    with pytest.raises(UserError, match=r"only_recipes: unknown recipe .*'pictures_cagn'.*\"pictures_cgan\""):
        load_plan(given | {"only_recipes": ["pictures_cagn"]}, repository)


# ── some outputs alone ──────────────────────────────────────────────────────────────────────────────────


def test_a_scale_chooses_outputs_and_only_their_runs_are_planned(checkout):
    checkout.edit(TRIAL, "substitute:\n", "outputs:\n  bcgan: [table5, figure9]\nsubstitute:\n")
    plan = checkout.plan(papers=["bcgan", "edgan"])
    assert list(plan.experiments["bcgan"].outputs) == ["table5", "figure9"]
    assert {run.dataset for run in plan.runs.values() if run.recipe_name.startswith("bcgan")} == {"digits"}
    assert "table1" in plan.experiments["edgan"].outputs, "a paper that is not named makes all of its own"


def test_the_configurations_choice_lies_over_the_scales(checkout):
    checkout.edit(TRIAL, "substitute:\n", "outputs:\n  bcgan: [table5]\nsubstitute:\n")
    whole = set(checkout.plan(scale="paper").experiments["bcgan"].outputs)
    assert set(checkout.plan(outputs={"bcgan": ["figure3"]}).experiments["bcgan"].outputs) == {"figure3"}
    assert set(checkout.plan(outputs={"bcgan": "all"}).experiments["bcgan"].outputs) == whole


def test_a_scale_keeps_to_data_sets_unless_a_paper_has_none_of_them(checkout):
    checkout.edit(TRIAL, "substitute:\n", "only_datasets: [celeba]\nsubstitute:\n")
    plan = checkout.plan(papers=["bcgan", "zoo"])
    assert {name for name in plan.experiments["bcgan"].uses} == {"celeba"}
    assert "celeba" not in plan.experiments["zoo"].uses and plan.experiments["zoo"].outputs
    assert checkout.plan(only_datasets=["lsun_bridge"]).experiments["bcgan"].uses == {"lsun_bridge"}


def test_a_choice_that_names_nothing_is_a_mistake(checkout):
    (said,) = checkout.problems(outputs={"bcgan": ["tabel5"]})
    assert said.startswith("config: outputs.bcgan: unknown output of bcgan 'tabel5'") and '"table5"' in said
    (said,) = checkout.problems(outputs={"bcgna": ["table5"]})
    assert said.startswith("config: outputs.bcgna: unknown paper 'bcgna'") and '"bcgan"' in said
    figure = {"outputs": {"bcgan": ["figure6"]}}
    datasets = "name its data sets in only_datasets: lsun_bedroom"
    recipes = "name its recipes in only_recipes: bcgan, realnessgan"
    for choice, remedy in (
        ({"only_datasets": ["celeba"]}, datasets),
        ({"only_recipes": ["synthetic_bcgan"]}, recipes),
        ({"only_datasets": ["celeba"], "only_recipes": ["bcgan"]}, datasets),
        ({"only_datasets": ["celeba"], "only_recipes": ["synthetic_bcgan"]}, f"{datasets}; {recipes}"),
    ):
        (said,) = checkout.problems(**figure, **choice)
        assert said == f"config: outputs.bcgan: nothing of 'figure6' is left: {remedy}"
