"""Curves over a setting: of one run's sources, and of recipes that differ in a number."""

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from gantry.errors import UserError
from gantry.plan import load_plan
from gantry.plan.output_types.figures import SweepOptions
from gantry.plan.report_specs import report_spec
from gantry.report.figures import sweep
from gantry.report.figures.style import styled
from gantry.report.load import load
from gantry.report.specs import parse_spec

METRICS = ["frechet_distance", "inception_score"]
# FD and class score at each τ, and of the samples as they are.
AT = {"truncation 2": (20.0, 2.0), "truncation 0.5": (40.0, 3.0), "truncation 10": (15.0, 1.5)}
OWN = (10.0, 1.0)


def written(results, recipe, seed, shift=0.0, at=AT):
    """A run whose last checkpoint has rows at other settings; the second seed's are `shift` higher."""
    for metric, value in zip(METRICS, OWN, strict=True):
        results.set(metric, recipe, seed, [9.0, 9.0, 9.0, value + shift])
    results.run("digits", recipe, seed)
    path = results.metrics("digits", recipe, seed)
    rows = pd.read_csv(path)
    last = rows[(rows["iteration"] == 240) & rows["metric"].isin(METRICS)]
    told = [
        last.assign(
            sampled_from=source, value=last["metric"].map(dict(zip(METRICS, values, strict=True))) + shift
        )
        for source, values in at.items()
    ]
    real = last[last["metric"] == "inception_score"].assign(sampled_from="real", value=7.0)
    pd.concat([rows, *told, real]).to_csv(path, index=False)


@pytest.fixture
def truncated(results, make_group, make_spec):
    for seed in (0, 1):
        written(results, "biggan", seed, shift=float(seed))
    groups = [make_group("biggan", "BigGAN", seeds=(0, 1))]
    return load(parse_spec(make_spec(results, "sweep", groups, metrics=METRICS)))


def line_of(ax, name):
    """What an error bar's line goes through."""
    (found,) = [container for container in ax.containers if container.get_label() == name]
    return found.lines[0].get_xdata().tolist(), found.lines[0].get_ydata().tolist()


def test_values_stand_in_order_and_the_run_as_it_is_last(truncated):
    with styled():
        first, second = sweep.draw(truncated, SweepOptions(setting="truncation")).axes
    assert [tick.get_text() for tick in first.get_xticklabels()] == ["0.5", "2", "10", "none"]
    assert line_of(first, "BigGAN") == ([0, 1, 2, 3], [40.5, 20.5, 15.5, 10.5])
    assert line_of(second, "BigGAN")[1] == [3.5, 2.5, 2.0, 1.5]
    assert first.get_xlabel() == "truncation τ"
    levels = [line.get_ydata()[0] for line in second.lines if line.get_label() == "real, unseen"]
    assert levels == [7.0]
    assert not any(line.get_label() == "real, unseen" for line in first.lines), (
        "nobody scored real samples so"
    )


def test_a_metric_may_stand_along_the_axis(truncated):
    with styled():
        (ax,) = sweep.draw(truncated, SweepOptions(setting="truncation", against="inception_score")).axes
    assert line_of(ax, "BigGAN") == ([3.5, 2.5, 2.0, 1.5], [40.5, 20.5, 15.5, 10.5])
    assert [text.get_text() for text in ax.texts] == ["0.5", "2", "10", "none"]
    assert ax.get_xlabel().startswith("class score")


def test_what_is_swept_is_no_generator_of_its_own(truncated):
    assert truncated.groups[0].sources == ["G1"] and truncated.groups[0].headline == "G1"


def test_the_first_source_stands_for_a_method_of_levels(results, make_group, make_spec):
    written(results, "lapgan", 0, at={"16": (1.0, 1.0), "8": (2.0, 2.0)})
    spec = make_spec(results, "sweep", [make_group("lapgan", "LAPGAN", seeds=(0,))], metrics=METRICS)
    group = load(parse_spec(spec)).groups[0]
    assert group.sources == ["G1", "16", "8"] and group.headline == "G1"


def test_a_run_that_was_not_swept_is_named(truncated):
    with (
        pytest.raises(UserError, match="no samples at another psi among the scores of digits/biggan"),
        styled(),
    ):
        sweep.draw(truncated, SweepOptions(setting="psi"))


def test_recipes_are_lines_over_a_number(results, make_group, make_spec):
    recipes = {"gan_50": 0.3, "gan_500": 0.1, "alone_50": 0.5, "alone_500": 0.2}
    for recipe, value in recipes.items():
        results.set("frechet_distance", recipe, 0, [1.0, 1.0, 1.0, value])
        results.run("digits", recipe, 0)
    groups = [
        make_group(recipe, recipe, seeds=(0,)) | {"value": float(recipe.rpartition("_")[2])}
        for recipe in recipes
    ]
    groups[0]["recipe_changes"] = ["batch_size: 3 instead of 32"]
    loaded = load(parse_spec(make_spec(results, "sweep", groups, metrics=["frechet_distance"])))
    lines = {"GAN": ["gan_500", "gan_50"], "alone": ["alone_50", "alone_500"]}
    options = SweepOptions.model_validate({"x": "number of labels", "over": "method.known", "lines": lines})
    with styled():
        (ax,) = sweep.draw(loaded, options).axes
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["50", "500"]
    assert sorted(zip(*line_of(ax, "GAN"), strict=True)) == [(0, 0.3), (1, 0.1)]
    assert line_of(ax, "alone") == ([0, 1], [0.5, 0.2])
    assert [(text.get_text(), text.xy) for text in ax.texts] == [("(changed)", (0, 0.3))]
    assert ax.get_xlabel() == "number of labels" and np.isfinite(ax.get_ylim()).all()
    assert dict(options.recipes())["lines.GAN"] in recipes


def test_a_point_stands_where_its_own_recipe_has_it(results, make_group, make_spec):
    """A scale may give several recipes of a line the same number; and nobody's label says another one."""
    given = {"scale": "quick", "papers": ["conditional"], "outputs": {"conditional": ["label_curve_cifar10"]}}
    plan = load_plan(given | {"recipes": {"pictures_labels_alone": {"method": {"known": 70}}}}, quiet=True)
    spec = report_spec(plan, "conditional", "label_curve_cifar10")
    numbers = {group["recipe"].removeprefix("pictures_"): group["value"] for group in spec["groups"]}
    assert numbers["labels_alone"] == 70 and numbers["labels_alone_50"] == 50
    assert numbers["labels_alone_4000"] == numbers["labels_alone_500"] == 500
    for recipe in ("a", "b", "c"):
        written(results, recipe, 0)
    groups = [
        make_group(recipe, recipe, seeds=(0,)) | {"value": value}
        for recipe, value in zip("abc", (500, 70, 500), strict=True)
    ]
    loaded = load(parse_spec(make_spec(results, "sweep", groups, metrics=METRICS[:1])))
    with styled():
        (ax,) = sweep.draw(
            loaded, SweepOptions(x="labels", over="method.known", lines={"GAN": ("a", "b", "c")})
        ).axes
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["70", "500"]
    assert line_of(ax, "GAN")[0] == [0, 1, 1]


def panel_height(results, make_group, make_spec, changes):
    """Inches of the one panel of a line of two recipes, each of which says these changes."""
    for recipe in ("few", "many"):
        written(results, recipe, 0)
    groups = [
        make_group(recipe, recipe, seeds=(0,))
        | {"recipe_changes": [f"{recipe}: {n}" for n in range(changes)], "value": value}
        for value, recipe in enumerate(("few", "many"))
    ]
    loaded = load(parse_spec(make_spec(results, "sweep", groups, metrics=METRICS[:1])))
    with styled():
        figure = sweep.draw(loaded, SweepOptions(x="labels", over="n", lines={"GAN": ("few", "many")}))
        figure.canvas.draw()
    (ax,) = figure.axes
    return ax.get_position().height * figure.get_figheight(), ax


def test_much_small_print_takes_nothing_from_the_panel(results, make_group, make_spec):
    short, _ = panel_height(results, make_group, make_spec, changes=0)
    long, ax = panel_height(results, make_group, make_spec, changes=20)
    assert long > 0.8 * short
    assert [text.get_text() for text in ax.texts] == [], (
        "where all points are changed, their line's name says so"
    )
    assert [container.get_label() for container in ax.containers] == ["GAN (changed)"]


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({}, "give setting .* or lines"),
        ({"setting": "psi", "lines": {"a": ["b", "c"]}, "over": "n", "x": "n"}, "give setting .* or lines"),
        ({"lines": {"a": ["b", "c"]}, "x": "n"}, "lines need over"),
        ({"lines": {"a": ["b", "c"]}, "over": "n"}, "lines need over"),
        ({"lines": {"a": ["b"]}, "over": "n", "x": "n"}, "at least 2 items"),
    ],
)
def test_options_that_do_not_go_together(told, message):
    with pytest.raises(ValidationError, match=message):
        SweepOptions.model_validate(told)
