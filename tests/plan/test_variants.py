"""Variants: one change laid over many recipes, by name; and words on sources, which change no run."""

import pytest

from gantry.errors import UserError
from gantry.plan.report_specs import report_spec

EXPERIMENT = """\
title: T
source: S
workloads:
  points: {iterations: 10, checkpoint_every: 5, samples: 100, metrics: [js]}
recipes:
  plain: {workload: points, networks: {family: mlp}, objective: {name: hinge}, source: "A paper"}
  other: {extends: plain, objective: {name: least_squares}}
variants:
  two: {label: two generators, recipe: {generators: 2, terms: {sample_spread: 0.5}}}
outputs:
  table:
    type: scores
    title: T
    runs: [{datasets: [mixture], recipes: {plain: Plain, other: Other}, variants: [two]}]
    metrics: [js]
"""
FILE = "workflow/experiments/trials.yaml"


@pytest.fixture
def trials(checkout):
    (checkout.root / FILE).write_text(EXPERIMENT, encoding="utf-8")
    return checkout


def test_a_variant_is_the_recipe_with_the_change_over_it(trials):
    plan = trials.plan(papers=["trials"])
    assert {run.recipe_name for run in plan.runs.values()} == {"plain", "other", "plain_two", "other_two"}
    two = plan.recipes["other_two"]
    assert (two.generators, two.terms.sample_spread, two.objective.name) == (2, 0.5, "least_squares")
    groups = report_spec(plan, "trials", "table")["groups"]
    assert [group["recipe_label"] for group in groups] == [
        "Plain", "Other", "Plain, two generators", "Other, two generators"
    ]  # fmt: skip


def test_a_variant_that_is_not_described_is_named(trials):
    trials.edit(FILE, "variants: [two]", "variants: [tow]")
    with pytest.raises(UserError, match=r"unknown variant 'tow'.*two"):
        trials.plan(papers=["trials"])


def test_a_change_that_a_recipe_cannot_have_is_refused_for_that_recipe(trials):
    trials.edit(FILE, "{generators: 2, terms", "{generators: 1, terms")
    with pytest.raises(UserError, match="plain_two"):
        trials.plan(papers=["trials"])


def test_what_is_said_of_sources_changes_no_run_and_is_not_inherited(trials):
    before = trials.plan(papers=["trials"])
    words = 'source: "Another paper", checked: "its code", unchecked: "its rates"'
    trials.edit(FILE, 'source: "A paper"', words)
    after = trials.plan(papers=["trials"])
    assert [run.spec for run in before.runs.values()] == [run.spec for run in after.runs.values()]
    assert not {"source", "checked", "unchecked"} & set(after.experiments["trials"].recipes["other"])
