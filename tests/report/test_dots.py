"""Dots: one for each setting, at its mean over seeds, in the order and the groups that the options give."""

import numpy as np
import pytest
from pydantic import ValidationError

from gantry.plan.output_types.figures import DotsOptions
from gantry.report.figures import dots
from gantry.report.load import load
from gantry.report.specs import parse_spec

CURVES = {"slow": (40.0, 20.0), "fast": (60.0, 90.0), "even": (50.0, 50.0)}


@pytest.fixture
def loaded(results, make_group, make_spec):
    for recipe, ends in CURVES.items():
        for seed, end in enumerate(ends):
            results.set("frechet_distance", recipe, seed, [end + 30, end + 20, end + 10, end])
            results.run("digits", recipe, seed)
    groups = [make_group(recipe, recipe.title(), seeds=(0, 1)) for recipe in CURVES]
    return load(parse_spec(make_spec(results, "dots", groups, metrics=["frechet_distance"])))


def drawn(figure):
    """(x, mean, half of the bar's height) of each setting, and the heights of the single seeds."""
    (ax,) = figure.axes
    bars = [container.lines for container in ax.containers]
    strong = [
        (points.get_xdata()[0], points.get_ydata()[0], np.ptp(stems[0].get_segments()[0][:, 1]) / 2)
        for points, _, stems in bars
    ]
    return strong, [sorted(line.get_ydata()) for line in ax.lines if line.get_marker() == "."]


def test_each_setting_stands_at_its_mean_with_its_deviation(loaded):
    options = DotsOptions(groups={"D faster": ("fast",), "D slower": ("slow", "even")})
    figure = dots.draw(loaded, options)
    strong, seeds = drawn(figure)
    assert strong == [
        (0, 75, pytest.approx(np.std([60, 90], ddof=1))),
        (1, 30, pytest.approx(np.std([40, 20], ddof=1))),
        (2, 50, 0),
    ]
    assert seeds == [[60, 90], [20, 40], [50, 50]]
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["Fast", "Slow", "Even"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["D faster", "D slower"]


def test_a_number_of_iterations_is_one_of_the_papers(loaded):
    strong, _ = drawn(dots.draw(loaded, DotsOptions(groups={"all": tuple(CURVES)}, at=260_000)))
    assert [mean for _, mean, _ in strong] == [50, 95, 70]  # half of the run: checkpoint 120 of 240


def test_groups_are_needed():
    with pytest.raises(ValidationError):
        DotsOptions(groups={})
    with pytest.raises(ValidationError):
        DotsOptions(groups={"none": ()})
