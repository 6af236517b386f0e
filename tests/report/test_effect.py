"""What a change does to many methods: differences, their interval, and a part for each verdict."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gantry.errors import UserError
from gantry.report.tables.effect import INTERVAL, PARTS, TOGETHER
from gantry.report.tables.make import make_table

HELPS, HURTS, UNDECIDED, NOT_TESTED = PARTS.values()
# The last values of (without, with) by seed: FID, of which less is better.
ENDS = {
    "better": ([50.0, 52.0, 54.0], [40.0, 43.0, 43.5]),
    "worse": ([50.0, 52.0, 54.0], [60.0, 63.0, 63.5]),
    "unclear": ([50.0, 52.0, 54.0], [40.0, 43.0, 75.0]),
}


def table(
    results,
    make_group,
    make_spec,
    tmp_path,
    options=None,
    metrics=("frechet_distance",),
    lost=(),
    paper_iterations=None,
    edited=None,
):
    groups = []
    for recipe, sides in ENDS.items():
        for name, ends in zip((recipe, f"{recipe}_two"), sides, strict=True):
            for seed, end in enumerate(ends):
                for metric in metrics:
                    results.set(metric, name, seed, [end + 9, end + 6, end + 3, end])
                results.run("digits", name, seed, diverged_at=90 if name in lost else None)
            groups.append(make_group(name, name.title()))
            if name == edited:
                groups[-1]["recipe_changes"] = ["batch_size: 3 instead of 32"]
    spec = make_spec(
        results, "effect", groups, metrics=list(metrics), options={"variants": ["two"]} | (options or {}),
        paper_iterations=paper_iterations,
    )  # fmt: skip
    return make_table(spec, *(tmp_path / f"effect.{suffix}" for suffix in ("csv", "md", "tex")))


def number(frame: pd.DataFrame, method: str, quantity: str) -> float:
    (value,) = frame.loc[
        (frame["method"] == method) & frame["quantity"].str.endswith(quantity), "ours_mean"
    ].tolist()
    return value


def test_each_method_stands_where_its_interval_says(results, make_group, make_spec, tmp_path):
    frame = table(results, make_group, make_spec, tmp_path)
    parts = {part: set(rows["method"]) for part, rows in frame.groupby("part")}
    assert parts == {
        HELPS: {"Better"}, HURTS: {"Worse"}, UNDECIDED: {"Unclear"}, TOGETHER: {"3 methods"}
    }  # fmt: skip
    assert list(frame["part"].unique()) == [HELPS, HURTS, UNDECIDED, TOGETHER]


@pytest.mark.parametrize("edited", ["better", "better_two"])
def test_a_changed_recipe_on_either_side_marks_the_row(results, make_group, make_spec, tmp_path, edited):
    frame = table(results, make_group, make_spec, tmp_path, edited=edited)
    assert set(frame["method"]) == {
        "Better (changed)", "Worse", "Unclear", "3 methods, 1 of them changed"
    }  # fmt: skip


def test_the_interval_is_welchs(results, make_group, make_spec, tmp_path):
    frame = table(results, make_group, make_spec, tmp_path)
    for recipe, (without, changed) in ENDS.items():
        low, high = stats.ttest_ind(changed, without, equal_var=False).confidence_interval(0.95)
        method = recipe.title()
        assert number(frame, method, "without") == pytest.approx(np.mean(without))
        assert number(frame, method, "with") == pytest.approx(np.mean(changed))
        assert number(frame, method, ", difference") == pytest.approx(np.mean(changed) - np.mean(without))
        assert number(frame, method, f"{INTERVAL}, from") == pytest.approx(low)
        assert number(frame, method, f"{INTERVAL}, to") == pytest.approx(high)
    # The mean over three methods: a sixth of the variances, each side's, added up (Satterthwaite).
    means = [np.mean(changed) - np.mean(without) for without, changed in ENDS.values()]
    parts = np.array([np.var(side, ddof=1) / 3 / 9 for pair in ENDS.values() for side in pair])
    half = stats.t.ppf(0.975, parts.sum() ** 2 / (parts**2 / 2).sum()) * parts.sum() ** 0.5
    assert number(frame, "3 methods", ", difference") == pytest.approx(np.mean(means))
    assert number(frame, "3 methods", ", from") == pytest.approx(np.mean(means) - half)
    assert number(frame, "3 methods", ", to") == pytest.approx(np.mean(means) + half)
    assert set(frame.loc[frame["quantity"].str.startswith(INTERVAL), "n"]) == {3}


def test_of_a_metric_that_is_better_when_higher_more_helps(results, make_group, make_spec, tmp_path):
    frame = table(results, make_group, make_spec, tmp_path, metrics=("inception_score",))
    assert set(frame.loc[frame["part"] == HELPS, "method"]) == {"Worse"}


def test_a_side_on_which_every_run_diverges_is_the_worse_one(results, make_group, make_spec, tmp_path):
    frame = table(results, make_group, make_spec, tmp_path, lost=("better_two", "worse"))
    assert set(frame.loc[frame["part"] == HURTS, "method"]) == {"Better"}
    assert set(frame.loc[frame["part"] == HELPS, "method"]) == {"Worse"}
    assert set(frame.loc[frame["part"] == TOGETHER, "method"]) == {"1 methods"}


def test_at_toy_length_nothing_is_said_to_help(results, make_group, make_spec, tmp_path):
    frame = table(results, make_group, make_spec, tmp_path, paper_iterations=520_000)
    assert set(frame["part"]) == {NOT_TESTED, TOGETHER}


def test_a_variant_may_be_held_against_another(results, make_group, make_spec, tmp_path):
    frame = table(results, make_group, make_spec, tmp_path, options={"without": "two", "variants": ["two"]})
    assert set(frame["part"]) == {UNDECIDED, TOGETHER}
    assert frame.loc[frame["quantity"].str.endswith(", difference"), "ours_mean"].abs().max() == 0


def test_nothing_to_compare_is_said(results, make_group, make_spec, tmp_path):
    with pytest.raises(UserError, match="no method is there both without and with it"):
        table(results, make_group, make_spec, tmp_path, options={"variants": ["three"]})


def test_a_method_that_lost_a_run_is_no_part_of_the_mean(results, make_group, make_spec, tmp_path):
    """Its other runs are those that went well."""
    both = table(results, make_group, make_spec, tmp_path, lost=("worse_two",))
    (together,) = both.loc[both["part"] == TOGETHER, "method"].unique()
    assert together == "2 methods"
    of_two = np.mean(
        [np.mean(with_) - np.mean(without) for without, with_ in (ENDS["better"], ENDS["unclear"])]
    )
    assert number(both, "2 methods", "difference") == pytest.approx(of_two)
