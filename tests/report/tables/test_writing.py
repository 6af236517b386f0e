"""How tables are written: intervals, CSV, Markdown, LaTeX."""

import numpy as np
import pandas as pd
import pytest
from tests.report.tables.making import BEST, CURVES, STATISTICS, cell, write_runs

from gantry.report.cells import read_tidy
from gantry.report.layout import decimals, number


def test_intervals_take_the_place_of_deviations_where_asked(results, make, make_group, tmp_path):
    write_runs(results)
    frame = make(
        results, "scores", [make_group("bcgan", "BCGAN")], options=STATISTICS | {"spread": "interval"}
    )
    lowest = [min(curve[1:]) for curve in CURVES.values()]
    # Student's t at 97.5 % for two degrees of freedom.
    half = 4.302653 * np.std(lowest, ddof=1) / 3**0.5
    mean = np.mean(lowest)
    shown = f"{mean:.2f} ({mean - half:.2f} to {mean + half:.2f})".replace("-", "−")
    text = (tmp_path / "t.md").read_text()
    assert shown in text and "±" not in text and "In brackets: the 95 % interval" in text
    assert cell(frame, "FD (embedded classifier), minimum").ours_sd == pytest.approx(np.std(lowest, ddof=1))
    # One seed has no interval.
    make(results, "scores", [make_group("bcgan", "BCGAN", seeds=(0,))], options={"spread": "interval"})
    assert "| 35.00 |" in (tmp_path / "t.md").read_text()


@pytest.mark.parametrize(
    ("seeds", "notes", "said"),
    [
        ((0, 1, 2), [], ["±: the standard deviation over training seeds."]),
        ((0, 1, 2), ["± is a method's stability."], ["± is a method's stability."]),
        ((0,), [], []),
    ],
)
def test_a_table_with_deviations_says_of_what(results, make, make_group, tmp_path, seeds, notes, said):
    write_runs(results)
    make(results, "scores", [make_group("bcgan", "BCGAN", seeds=seeds)], notes=notes)
    lines = (tmp_path / "t.md").read_text().splitlines()
    assert [line[2:] for line in lines if line.startswith("- ±")] == said


def test_csv_holds_the_cells_that_were_written(results, make, make_group, published, tmp_path):
    write_runs(results, generators=2)
    frame = make(
        results, "scores", [make_group("bcgan", "BCGAN")], options=STATISTICS, published=published[2]
    )
    pd.testing.assert_frame_equal(read_tidy(tmp_path / "t.csv"), frame, check_dtype=False)
    # As earlier versions wrote it.
    old = (tmp_path / "t.csv").read_text().replace("trained_on", "stand_in", 1)
    (tmp_path / "old.csv").write_text(old)
    pd.testing.assert_frame_equal(read_tidy(tmp_path / "old.csv"), frame, check_dtype=False)


def test_a_comma_in_a_name_is_no_border_between_columns(results, arrange_of, make_group):
    write_runs(results)
    write_runs(results, dataset="bedroom")
    groups = [
        make_group("bcgan", "BCGAN", dataset=name, name=name, title=title, proxy=None)
        for name, title in (("digits", "LSUN bedroom, 10 %"), ("bedroom", "LSUN bedroom, all"))
    ]
    part, _ = arrange_of(results, groups, metrics=["frechet_distance"], options=BEST | {"side_by_side": True})
    group = "FD (embedded classifier) ↓"
    assert part.heads == ((group, "LSUN bedroom, 10 %, best"), (group, "LSUN bedroom, all, best"))


def test_markup_escapes_what_would_be_markup(results, make, make_group, tmp_path):
    write_runs(results)
    label = "λ_D = 0 & a_long|name <b> 50%"
    make(results, "scores", [make_group("bcgan", label)])
    assert r"λ<sub>D</sub> = 0 & a\_long\|name &lt;b&gt; 50%" in (tmp_path / "t.md").read_text()
    tex = (tmp_path / "t.tex").read_text()
    assert r"$\lambda_{D}$ = 0 \& a\_long$|$name $<$b$>$ 50\%" in tex
    assert tex.index(r"\toprule") < tex.index(r"\midrule") < tex.index(r"\bottomrule")
    rows = [line for line in (tmp_path / "t.md").read_text().splitlines() if line.startswith("|")]
    assert len({line.replace(r"\|", "").count("|") for line in rows}) == 1


def test_numbers_are_written_with_three_digits_and_a_minus():
    assert decimals(np.array([22.59, 92.55])) == 2
    assert decimals(np.array([0.0123, np.nan])) == 4
    assert decimals(np.array([np.nan, 0.0])) == 2
    assert number(-1234.5, 2) == "−1,234.50"
    assert number(float("nan"), 2) == "–"
