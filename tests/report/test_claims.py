"""Claims: what is measured of the runs, which test it gets, and what a reader is told. The rule: test_statistics."""

import math

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import stats

from gantry.errors import UserError
from gantry.plan.output_types.claims import Claim
from gantry.report.claims import make_claims
from gantry.report.learned import NOT_TESTED
from gantry.report.load import load
from gantry.report.quantities import backgrounds_apart, generators_apart, middle_mode_error
from gantry.report.specs import parse_spec

BCGAN = {"recipe": "bcgan"}
BASELINE = {"recipe": "realnessgan"}
DIFFERENCE = {
    "metric": "frechet_distance",
    "reduction": "min",
    "of": BCGAN,
    "against": BASELINE,
    "expect": "lower",
}


@pytest.fixture
def check(tmp_path, results, make_spec, make_group):
    """Write runs with these FD curves (recipe → one curve per seed) and test one claim on them."""

    def row(curves, diverged=(), options=None, told=None, proxy="handwritten digits (scikit-learn)", **test):
        for recipe, by_seed in curves.items():
            for seed, curve in enumerate(by_seed):
                results.set("frechet_distance", recipe, seed, curve)
                stop = 30 if (recipe, seed) in diverged else None
                results.run("digits", recipe, seed, generators=1, diverged_at=stop, **(options or {}))
        groups = [
            make_group(recipe, recipe, seeds=tuple(range(len(c))), proxy=proxy)
            for recipe, c in curves.items()
        ]
        claim = {"name": "c", "statement": "lower", "test": DIFFERENCE | test}
        # Of no paper's length, unless it is told: then whether the runs have learned is not asked.
        spec = make_spec(
            results,
            "claims",
            groups,
            options={"claims": [claim]},
            metrics=[],
            **{"paper_iterations": None} | (told or {}),
        )  # fmt: skip
        return make_claims(spec, tmp_path / "c.csv", tmp_path / "c.md").iloc[0]

    return row


def flat(*values):
    return [[value] * 4 for value in values]


def test_recipes_are_compared_as_two_samples(check):
    a, b = (10.0, 49.0, 89.5), (11.0, 50.1, 90.4)
    row = check({"bcgan": flat(*a), "realnessgan": flat(*b)})
    reference = stats.ttest_ind(a, b, equal_var=False)
    interval = reference.confidence_interval(0.95)
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))
    assert row["p"] == row["p_holm"] == pytest.approx(reference.pvalue)
    assert row["estimate"] == pytest.approx(-1.0) and row["verdict"] == "undecided" and row["n"] == 3


def test_seeds_are_paired_where_their_correlation_shows(check):
    seeds = [10.0, 49.0, 89.5, 30.0, 71.0, 22.0]
    gaps = [1.0, 1.1, 0.9, 1.02, 1.06, 0.97]
    row = check({"bcgan": flat(*seeds), "realnessgan": flat(*np.add(seeds, gaps))})
    assert (row["test"], row["verdict"]) == ("sign test", "holds")
    assert row["estimate"] == pytest.approx(-np.median(gaps))


def test_the_same_runs_are_pairs(check):
    curves = {"bcgan": [[40.0, 30.0 + k, 20.0, 10.0 + k] for k in range(6)]}
    early = BCGAN | {"share": 0.5}
    row = check(curves, reduction="last", of=BCGAN, against=early)
    assert (row["test"], row["estimate"], row["verdict"]) == ("sign test", -20.0, "holds")
    row = check({"bcgan": curves["bcgan"][:5]}, reduction="last", of=BCGAN, against=early)
    assert row["verdict"] == "undecided" and row["seeds_to_decide"].startswith(
        "6 seeds are the least that decide"
    )


def test_diverged_runs_count_and_survivors_do_not_decide(check):
    curves = {"bcgan": flat(10, 9, 11, 10.5), "realnessgan": flat(12, 12.2, 12.4, 12.1)}
    assert check(curves)["verdict"] == "holds"
    row = check(curves, diverged={("bcgan", 1)})
    assert row["verdict"] == "undecided" and math.isnan(row["low"])
    assert "1 of 4 runs of bcgan diverged, which counts as the worst value" in row["note"]
    assert row["estimate"] == pytest.approx(10.5 - 12.175)
    worse = check(curves, diverged={("realnessgan", 1), ("realnessgan", 2)})
    assert worse["verdict"] == "holds", "a baseline that diverges is not made better by it"
    better_is_higher = check(curves, diverged={("bcgan", 1)}, metric="inception_score", expect="higher")
    assert better_is_higher["verdict"] != "holds"


def test_the_last_checkpoints_are_the_last(check):
    curves = {"bcgan": [[40.0, 10.0, 35.0, 25.0]] * 2, "realnessgan": flat(0, 0)}
    assert check(curves, reduction="mean", checkpoints=2)["estimate"] == 30
    assert check(curves, reduction="last", checkpoints=1)["estimate"] == 25


def test_reductions_skip_tail_and_share(check):
    curve = [40.0, 10.0, 30.0, 20.0]
    curves = {"bcgan": [curve] * 2, "realnessgan": flat(0, 0)}
    assert check(curves, reduction="min", skip=2)["estimate"] == 20
    assert check(curves, reduction="std")["estimate"] == pytest.approx(np.std(curve))
    assert check(curves, reduction="last", of=BCGAN | {"share": 0.5})["estimate"] == 10
    assert check(curves, reduction="first_below", level=30.0)["estimate"] == 120 - 60
    # Never reached: the last iteration.
    assert check(curves, reduction="first_below", level=5.0)["estimate"] == 240 - 60


def test_when_a_curve_is_best_is_a_share_of_training(check):
    curves = {"bcgan": [[40.0, 10.0, 30.0, 20.0]] * 3}
    told = {"statistic": "value", "against": None, "threshold": 0.6}
    assert check(curves, reduction="when_min", **told)["estimate"] == pytest.approx(0.5)
    assert check(curves, reduction="when_max", **told)["estimate"] == pytest.approx(0.25)


def test_a_checkpoint_of_the_papers_is_asked_at_the_same_share(check):
    curves = {"bcgan": [[40.0, 10.0, 30.0, 20.0]] * 2, "realnessgan": flat(0, 0)}
    at = {"iteration": 7_500}
    row = check(
        curves, reduction="last", of=BCGAN | at, against=BASELINE | at, told={"paper_iterations": 10_000}
    )
    assert row["estimate"] == 30 and "after 180 iterations" in row["result"]


def test_ratio_is_the_geometric_mean(check):
    curves = {"bcgan": flat(2.0, 8.0), "realnessgan": flat(1.0, 2.0)}
    row = check(curves, statistic="ratio", expect="higher")
    assert row["estimate"] == pytest.approx(8**0.5)
    assert row["low"] < row["estimate"] < row["high"]


def test_value_against_a_threshold(check):
    curves = {"bcgan": flat(8.9, 9.0, 9.1, 8.95, 9.06, 9.02)}
    assert check(curves, statistic="value", against=None, threshold=10.0)["verdict"] == "holds"
    assert check(curves, statistic="value", against=None, threshold=8.0)["verdict"] == "does not hold"
    row = check(curves, statistic="value", against=None, threshold=9.05)
    assert row["verdict"] == "undecided" and "with a chance of 80 %" in row["seeds_to_decide"]
    assert row["result"].startswith("median ") and row["result"].endswith(
        "sign test; claimed lower than 9.05)"
    )
    few = check({"bcgan": flat(8.9, 9.0, 9.1)}, statistic="value", against=None, threshold=10.0)
    assert few["verdict"] == "undecided" and few["seeds_to_decide"].startswith("about 6 seeds would decide")


def test_alike_lies_within_the_threshold(check):
    curves = {"bcgan": flat(9.0, 9.01, 9.02), "realnessgan": flat(9.005, 9.0, 9.03)}
    row = check(curves, expect="alike", threshold=0.5)
    assert row["verdict"] == "holds" and "claimed between −0.5 and 0.5" in row["result"]
    assert check(curves, expect="alike", threshold=1.1, statistic="ratio")["verdict"] == "holds"
    far = {"bcgan": flat(19.0, 19.01, 19.02), "realnessgan": flat(9.005, 9.0, 9.03)}
    assert check(far, expect="alike", threshold=0.5)["verdict"] == "does not hold"


LEARNED = [90.0, 80.0, 70.0, 60.0]


@pytest.mark.parametrize(
    ("told", "curve", "proxy", "tested"),
    [
        ({"paper_iterations": 520_000}, LEARNED, None, False),
        ({"paper_iterations": 240 * 20}, [90.0] * 4, None, True),
        ({"paper_iterations": 240 * 20}, [90.0] * 4, "digits", False),
        ({"paper_iterations": 520_000, "iterations": 500}, LEARNED, "digits", True),
        ({"paper_iterations": 520_000, "iterations": 499}, LEARNED, "digits", False),
        ({"paper_iterations": 520_000, "iterations": 500}, [90.0, 1.0, 70.0, 70.0], None, False),
    ],
    ids=["toy length", "a twentieth", "proxy without learning", "proxy with learning", "499", "no fall"],
)
def test_a_claim_is_judged_only_where_a_run_has_learned(check, tmp_path, told, curve, proxy, tested):
    curves = {"bcgan": [[value + k for value in curve] for k in range(3)], "realnessgan": flat(120, 121, 122)}
    row = check(curves, told=told, reduction="last", proxy=proxy)
    assert (row["verdict"] != NOT_TESTED) is tested
    if not tested:
        assert math.isnan(row["p"]) and f"{told['paper_iterations']:,} iterations" in row["seeds_to_decide"]
    for text in (tmp_path / "c.md").read_text(), (tmp_path / "c.csv").read_text():
        assert (f"{NOT_TESTED}" in text) is not tested


def test_every_run_of_a_side_must_have_learned(check):
    told = {"paper_iterations": 520_000, "iterations": 2_000}
    curves = {"bcgan": [LEARNED, LEARNED, [90.0, 90.0, 90.0, 70.0]], "realnessgan": flat(120, 121, 122)}
    assert check(curves, told=told)["verdict"] == NOT_TESTED
    assert check(curves | {"realnessgan": [LEARNED] * 3}, told=told)["verdict"] != NOT_TESTED


def test_last_share_of_the_run(check):
    """From 50 % on: the checkpoints at 120, 180 and 240 of 240."""
    curves = {"bcgan": [[40.0, 10.0, 30.0, 20.0]] * 2, "realnessgan": flat(0, 0)}
    tail = {"since": 0.5}
    row = check(curves, reduction="mean", of=BCGAN | tail, against=BASELINE | tail)
    assert row["estimate"] == pytest.approx((10 + 30 + 20) / 3)


def test_nothing_measured_is_said(check):
    row = check({"bcgan": flat(1, 1), "realnessgan": flat(2, 3)}, statistic="ratio", metric="gpu_memory")
    assert (row["verdict"], row["n"], row["seeds_to_decide"]) == ("undecided", 0, "")
    assert row["note"].startswith("not measured in the runs of bcgan") and row["result"].endswith("no value")


def test_collapse_can_be_the_claim(check):
    curves = {"bcgan": flat(1, 1, 1), "realnessgan": flat(1, 2, 3)}
    gone = {("bcgan", 0), ("bcgan", 1), ("bcgan", 2)}
    assert check(curves, gone, if_diverged="holds")["verdict"] == "holds"
    assert check(curves, gone)["verdict"] == "undecided"
    two = {name: curve[:2] for name, curve in curves.items()}
    assert check(two, gone, if_diverged="holds")["verdict"] == "undecided", "two seeds decide nothing"


def test_proxy_data_are_named(check, tmp_path):
    row = check({"bcgan": flat(1, 1), "realnessgan": flat(2, 3)})
    assert row["trained_on"] == "handwritten digits (scikit-learn)"
    assert "(proxy data)" in (tmp_path / "c.md").read_text()


@pytest.mark.parametrize(
    ("test", "words"),
    [
        ({"of": {"recipe": "began"}}, r"claims\.c: no runs of began"),
        ({"against": None}, "need `against`"),
        ({"expect": "smaller"}, "expect"),
        ({"reduction": "median"}, r"reduction: Input should be .last., .min."),
        ({"metric": "fid"}, "unknown metric 'fid'"),
        ({"reduction": "first_below"}, "needs a level"),
    ],
)
def test_wrong_claims_are_explained(check, test, words):
    with pytest.raises(UserError, match=words):
        check({"bcgan": flat(1, 1), "realnessgan": flat(2, 3)}, **test)


def test_distance_between_generators(results, make_spec, make_group):
    results.run("mixture", "bcgan", 0, generators=2, points=True)
    path = results.metrics("mixture", "bcgan", 0)
    lines = path.read_text().splitlines()
    kept = [line for line in lines if "mode_share" not in line]
    # G1 at modes 0 and 1; G2 at modes 1 and 2; half of their mass is shared. Sums below 1 are scaled.
    shares = {"G1": (0.4, 0.4, 0.0), "G2": (0.0, 0.45, 0.45)}
    for source, values in shares.items():
        kept += [f"mixture,bcgan,0,240,{source},mode_share_{k},{v},500," for k, v in enumerate(values)]
    path.write_text("\n".join(kept) + "\n")
    group = make_group("bcgan", "BCGAN", dataset="mixture", seeds=(0,))
    run = load(parse_spec(make_spec(results, "claims", [group]))).groups[0].runs[0]
    assert generators_apart(run).loc[240] == pytest.approx(0.5)
    # Too much at the middle mode (here the second of three) is as wrong as too little.
    assert middle_mode_error(run, "G1").loc[240] == pytest.approx(0.4 - 1 / 3)
    assert middle_mode_error(run, "G2").loc[240] == pytest.approx(0.45 - 1 / 3)
    with path.open("a") as stream:
        for source, value in {"G1": 0.7, "G2": 0.25}.items():
            stream.write(f"mixture,bcgan,0,240,{source},background_brightness,{value},500,\n")
    run = load(parse_spec(make_spec(results, "claims", [group]))).groups[0].runs[0]
    assert backgrounds_apart(run).loc[240] == pytest.approx(0.45)


def test_a_claim_about_each_data_set_is_one_row_for_each(results, make_spec, make_group, tmp_path):
    groups = []
    for dataset, title, base in (("celeba", "CelebA", 10.0), ("bridge", "LSUN bridge", 30.0)):
        for recipe, gain in (("bcgan", 0.0), ("realnessgan", base)):
            for seed in range(2):
                results.set("frechet_distance", recipe, seed, [base + gain + 0.1 * seed] * 4)
                results.run(dataset, recipe, seed)
            groups.append(
                make_group(
                    recipe, recipe, dataset=dataset, name=dataset, title=title, seeds=(0, 1), proxy=None
                )
            )
    claim = {"name": "best FID", "statement": "lower", "test": DIFFERENCE}
    claim["each"] = {"celeba": "−0.76", "bridge": "−5.50"}
    spec = make_spec(
        results, "claims", groups, options={"claims": [claim]}, metrics=[], paper_iterations=None
    )
    frame = make_claims(spec, tmp_path / "c.csv", tmp_path / "c.md")
    assert frame["name"].tolist() == ["best FID, CelebA", "best FID, LSUN bridge"]
    assert frame["statement"].tolist() == ["CelebA: lower", "LSUN bridge: lower"]
    assert frame["published"].tolist() == ["−0.76", "−5.50"]
    assert frame["estimate"].tolist() == pytest.approx([-10.0, -30.0])
    twice = {"claims": [claim | {"published": "x"}]}
    with pytest.raises(UserError, match="leave both out elsewhere"):
        make_claims(spec | {"options": twice}, tmp_path / "c.csv", tmp_path / "c.md")


def test_a_claim_against_rivals_is_one_row_for_each(results, make_spec, make_group, tmp_path):
    for recipe, ends in {"best": (1.0, 2.0), "worse": (5.0, 6.1), "better": (0.5, 1.4)}.items():
        for seed, end in enumerate(ends):
            results.set("frechet_distance", recipe, seed, [end] * 4)
            results.run("digits", recipe, seed)
    claim = {
        "name": "rank",
        "statement": "It is the best.",
        "baselines": {"worse": "1 against 5", "better": "1 against 2"},
        "test": {"metric": "frechet_distance", "of": {"recipe": "best"}, "expect": "lower"},
    }
    groups = [make_group(recipe, recipe, seeds=(0, 1)) for recipe in ("best", "worse", "better")]
    spec = make_spec(
        results, "claims", groups, options={"claims": [claim]}, metrics=[], paper_iterations=None
    )
    rows = make_claims(spec, tmp_path / "c.csv", tmp_path / "c.md")
    assert rows["name"].tolist() == ["rank, against worse", "rank, against better"]
    assert rows["published"].tolist() == ["1 against 5", "1 against 2"]
    assert rows["estimate"].tolist() == pytest.approx([-4.05, 0.55])
    assert rows["verdict"].tolist() == ["undecided", "undecided"], "two seeds decide nothing"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"baselines": {"b": ""}, "published": "twice"}, "baselines"),
        ({"baselines": {"b": ""}, "each": {"celeba": ""}}, "baselines"),
        ({}, "need `against`, or the claim `baselines`"),
    ],
)
def test_a_claim_says_once_what_it_is_held_against(given, words):
    test = {"metric": "frechet_distance", "of": {"recipe": "a"}, "expect": "lower"}
    with pytest.raises(ValidationError, match=words):
        Claim.model_validate({"name": "c", "statement": "lower", "test": test} | given)
