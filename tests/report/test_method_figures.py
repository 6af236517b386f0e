"""Figures of many methods: each at its numbers, in its group, and told from the others."""

from itertools import combinations

import numpy as np
import pytest

from gantry.plan.output_types.figures import GroupedOptions
from gantry.report.figures import method_curves, method_dots, method_times
from gantry.report.figures.style import styled
from gantry.report.load import load
from gantry.report.specs import parse_spec

ENDS = {"slow": (40.0, 20.0), "fast": (60.0, 90.0), "even": (50.0, 50.0), "lost": ()}
GROUPS = GroupedOptions(groups={"D faster": ("fast",), "D slower": ("slow", "even", "lost")})


@pytest.fixture
def loaded(results, make_group, make_spec):
    for recipe, ends in ENDS.items():
        for seed, end in enumerate(ends or (1.0, 1.0)):
            results.set("frechet_distance", recipe, seed, [end + 30, end + 20, end + 10, end])
            results.run("digits", recipe, seed, diverged_at=None if ends else 70)
    groups = [make_group(recipe, recipe.title(), seeds=(0, 1)) for recipe in ENDS]
    return load(parse_spec(make_spec(results, "method_dots", groups, metrics=["frechet_distance"])))


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_a_line_for_each_method_in_the_order_of_the_groups(loaded):
    with styled():
        (ax,) = method_dots.draw(loaded, GROUPS).axes
    assert [text.get_text() for text in ax.get_yticklabels()] == ["Fast", "Slow", "Even", "Lost"]
    strong = {
        line.get_ydata()[0]: line.get_xdata()[0]
        for line in ax.lines
        if line.get_marker() in "os^" and len(line.get_xdata()) == 1
    }
    assert strong == {0: 75, 1: 30, 2: 50}
    faint = {line.get_ydata()[0]: sorted(line.get_xdata()) for line in ax.lines if line.get_marker() == "."}
    assert faint == {0: [60, 90], 1: [20, 40], 2: [50, 50]}
    assert texts(ax) == ["diverged"]


def test_a_panel_for_each_group_with_the_others_behind(loaded):
    with styled():
        figure = method_curves.draw(loaded, GROUPS)
    first, second = figure.axes
    assert [text.get_text() for text in second.get_legend().get_texts()] == [
        "Slow",
        "Even",
        "Lost (diverged)",
    ]
    (own,) = [line for line in first.lines if line.get_label() == "Fast"]
    assert list(own.get_xdata()) == [60, 120, 180, 240]
    assert list(own.get_ydata()) == [105, 95, 85, 75]
    # Behind it the three other methods, of which the diverged one has no mean.
    assert sorted(len(line.get_xdata()) for line in first.lines if line is not own) == [0, 4, 4]


def test_a_dot_at_each_methods_time_and_value_with_its_number_in_the_key(loaded):
    with styled():
        figure = method_times.draw(loaded, GROUPS)
    ax, key = figure.axes
    dots = sorted((line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines)
    # The records say 40 and 50 ms for seeds 0 and 1.
    assert dots == [(pytest.approx(45), 30), (pytest.approx(45), 50), (pytest.approx(45), 75)]
    assert texts(key) == ["D faster", "1  Fast", "D slower", "2  Slow", "3  Even", "4  Lost (diverged)"]
    assert sorted(texts(ax)) == ["1", "2", "3"]


def test_no_number_lies_on_another_or_on_a_dot():
    figure = method_times.new_figure(4, 4, constrained=False)
    ax = figure.add_axes((0.1, 0.1, 0.8, 0.8))
    rng = np.random.default_rng(0)
    dots = [(number, *place) for number, place in enumerate(0.5 + 0.05 * rng.normal(size=(20, 2)), 1)]
    ax.plot([x for _, x, _ in dots], [y for _, _, y in dots], "o")
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    figure.canvas.draw()
    method_times._number(ax, dots)
    offsets = {text.get_text(): np.asarray(text.xyann) for text in ax.texts}
    scale = figure.dpi / 72
    at = {str(number): ax.transData.transform((x, y)) / scale for number, x, y in dots}
    centres = {number: at[number] + offset for number, offset in offsets.items()}
    for a, b in combinations(centres.values(), 2):
        assert (np.abs(a - b) >= 2 * np.asarray(method_times.HALF) - 1e-6).any()
    for centre in centres.values():
        for dot in at.values():
            apart = np.asarray(method_times.HALF) + method_times.DOT
            assert (np.abs(centre - dot) >= apart - 1e-6).any()
