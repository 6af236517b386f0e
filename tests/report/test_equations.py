"""The handbook's equations: each is LaTeX that GitHub shows, none is missing, and none is idle."""

import math
import re
from itertools import chain

import numpy as np
import pytest
from matplotlib.mathtext import MathTextParser
from tests.report.equation_cases import (
    COMPOSED_BLOCKS,
    DRAWN_BLOCKS,
    HANDBOOKS,
    OBJECTIVE_BLOCKS,
    PENALTIES,
    TERM_BLOCKS,
    TRAINING,
    every_recipe,
    recipe_of,
    recipes_of,
    shown,
    trained,
)
from tests.report.latex import formula_of, inline, mean

from gantry.objectives import OBJECTIVES
from gantry.plan.blocks.terms import GradientPenalty, OrthogonalRegularisation, Terms
from gantry.plan.recipe import Recipe
from gantry.report.handbook import LOSSES, _listed, entries, equations_of, joined
from gantry.terms import DISCRIMINATOR_TERMS, GENERATOR_TERMS


def test_no_equation_is_idle():
    used = {id(entry) for recipe in every_recipe() for entry in equations_of(recipe)}
    assert [entry for entry in entries() if id(entry) not in used] == []


def test_every_objective_has_its_losses():
    assert {block["name"] for block in OBJECTIVE_BLOCKS} == set(OBJECTIVES)
    for recipe in map(recipe_of, OBJECTIVE_BLOCKS + COMPOSED_BLOCKS):
        expected = {"discriminator", "generator"} if recipe.updates.discriminator else {"generator"}
        found = [player for entry in equations_of(recipe) for player in entry.losses]
        assert sorted(found) == sorted(expected), recipe.objective  # and each of them once


@pytest.mark.parametrize("paper", HANDBOOKS)
def test_every_method_has_a_loss_for_each_of_its_phases(paper):
    for name, recipe in recipes_of(paper).items():
        given = set(chain(*(entry.losses for entry in equations_of(recipe))))
        phases = {phase for phase in recipe.method.phases if recipe.updates.model_dump().get(phase, 1)}
        assert phases & set(LOSSES) <= given, name
        if recipe.method.name != "adversarial":
            assert any(
                recipe.method.name in _listed(entry.when.get("method.name")) for entry in equations_of(recipe)
            ), name


def test_summands_are_added_the_mark_is_put_around_and_what_is_neither_replaces():
    assert joined("a", r"+\;b") == r"a +\;b" and joined("a", r"-\;b") == r"a -\;b"
    assert joined("a", r"w\left(<adv>\right) + b") == r"w\left(a\right) + b"
    assert joined("a", "b") == "b" and joined("a", "") == "a" and joined("", "-b") == "-b"


def test_every_term_and_each_of_its_forms_has_an_equation():
    named = {name for block in TERM_BLOCKS for name in block}
    assert named == set(DISCRIMINATOR_TERMS) | set(GENERATOR_TERMS)
    assert named == set(Terms.model_fields) - {"formulation", "schedules"}
    points = {block["points"] for block in PENALTIES} | {"lines", "perturbed"}
    assert points == set(GradientPenalty.model_fields["points"].annotation.__args__)
    forms = OrthogonalRegularisation.model_fields["form"].annotation.__args__
    assert len([block for block in TERM_BLOCKS if "orthogonal_regularisation" in block]) == len(forms)
    plain = equations_of(recipe_of({"name": "hinge"}, generators=2))
    for block in TERM_BLOCKS + DRAWN_BLOCKS:
        brought = [
            e for e in equations_of(recipe_of({"name": "hinge"}, block, generators=2)) if e not in plain
        ]
        (name,) = block
        players = {"discriminator"} if name in DISCRIMINATOR_TERMS else set()
        players |= {"generator"} if name in GENERATOR_TERMS else set()
        assert sorted(chain.from_iterable(entry.losses for entry in brought)) == sorted(players), block


def test_every_way_of_training_has_its_words():
    plain = equations_of(recipe_of({"name": "hinge"}))
    for recipe in trained({"name": "hinge"}):
        assert len([entry for entry in equations_of(recipe) if entry not in plain]) == 1, recipe
    # What else a recipe has is a block with equations or values of its own, or changes no mathematics.
    blocks = {
        "method",
        "workload",
        "networks",
        "objective",
        "terms",
        "generators",
        "latent",
        "optimiser",
        "updates",
    }
    assert set(Recipe.model_fields) == blocks | set(TRAINING) | {
        "batch_multiples",
        "batch_size",
        "flip",
        "method",
        "precision",
        "processes",
    }


def test_every_equation_is_latex():
    found = chain.from_iterable((*entry.losses.values(), *inline(entry.where)) for entry in entries())
    parser = MathTextParser("path")
    # Matplotlib has these under other names, or not.
    elsewhere = {
        r"\tfrac": r"\frac",
        r"\lVert": r"\Vert",
        r"\rVert": r"\Vert",
        r"\Big": "",
        r"\top": r"{\top}",
    }
    for text in dict.fromkeys(text for text in found if text is not None):
        for ours, theirs in elsewhere.items():
            text = text.replace(ours, theirs)
        try:
            parser.parse(f"${text}$")
        except ValueError as error:
            pytest.fail(str(error))


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: shown(entry.when))
def test_what_stands_within_a_line_survives_markdown(entry):
    assert entry.where.count("$") % 2 == 0
    for text in inline(entry.where):
        assert text == text.strip()
        assert not re.search(r"\\[^A-Za-z]", text), (
            "GitHub takes the backslash away before it reads the formula"
        )
    assert sum(text.count("*") for text in inline(entry.where)) < 2, "two stars are Markdown's emphasis"


def test_the_reader_reads_by_precedence():
    given = {"a": 2.0, "b": 3.0, "e": math.e, "x": np.array([1.0, 3.0]), "D": lambda value: value}
    for text, expected in (
        (r"-a^2b+\frac1b", -12 + 1 / 3), (r"a/b\log a", 2 / 3 * math.log(2)), (r"\tfrac12|a-b|", 0.5),
        (r"a\mathbb{E}_x(D(x)-1)^2 - b", 1.0), (r"\max(0,1-a)+\sigma(0)", 0.5), (r"e^{a-b}", math.exp(-1)),
    ):  # fmt: skip
        assert formula_of(text)(given) == pytest.approx(expected)
    for text in (r"a+", r"(a", r"a)", r"\foo{a", "a # b"):
        with pytest.raises(ValueError, match=r"expected|left over|should stand|not in the part"):
            formula_of(text)
    assert mean(np.array([[1.0, 2.0], [3.0, 4.0]])).tolist() == [2.0, 3.0]
