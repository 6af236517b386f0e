"""Claims: the statistics against SciPy and by brute force, the verdicts, and what is measured."""

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import stats

from gantry.errors import UserError
from gantry.plan.output_types.claims import Claim
from gantry.report.claims import make_claims
from gantry.report.load import load
from gantry.report.quantities import generators_apart
from gantry.report.specs import parse_spec
from gantry.report.statistics import Interval, interval, seeds_to_decide, verdict

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

    def row(curves, diverged=(), options=None, **test):
        for recipe, by_seed in curves.items():
            for seed, curve in enumerate(by_seed):
                results.set("frechet_distance", recipe, seed, curve)
                stop = 30 if (recipe, seed) in diverged else None
                results.run("digits", recipe, seed, generators=1, diverged_at=stop, **(options or {}))
        groups = [make_group(recipe, recipe, seeds=tuple(range(len(c)))) for recipe, c in curves.items()]
        claim = {"name": "c", "statement": "lower", "test": DIFFERENCE | test}
        spec = make_spec(results, "claims", groups, options={"claims": [claim]}, metrics=[])
        return make_claims(spec, tmp_path / "c.csv", tmp_path / "c.md").iloc[0]

    return row


def flat(*values):
    return [[value] * 4 for value in values]


def test_interval_is_students():
    values = [1.0, 2.5, 0.5, 3.0]
    result = interval(values)
    low, high = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert (result.low, result.high) == pytest.approx((low, high))
    assert np.isnan(result.rank_p)


def test_rank_test_from_six_seeds_on():
    values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert interval(values).rank_p == pytest.approx(stats.wilcoxon(values).pvalue)
    assert interval(values, than=10.0).rank_p == pytest.approx(2 / 2**6)


@pytest.mark.parametrize(
    ("low", "high", "expect", "expected"),
    [
        (-2, -1, "lower", "holds"),
        (1, 2, "lower", "does not hold"),
        (-1, 1, "lower", "undecided"),
        (1, 2, "higher", "holds"),
        (-2, -1, "higher", "does not hold"),
        (-1, 1, "higher", "undecided"),
        (0, 0, "lower", "does not hold"),
    ],
)
def test_verdict(low, high, expect, expected):
    assert verdict(Interval((low + high) / 2, low, high, 3), expect, 0.0) == expected


def test_one_seed_decides_nothing():
    assert verdict(interval([-5.0]), "lower", 0.0) == "undecided"


def test_seeds_to_decide_is_the_first_that_suffices():
    values = [-1.0, 0.5, -0.7]
    n = seeds_to_decide(values, 0.0)
    mean, sd = np.mean(values), np.std(values, ddof=1)

    def half(count):
        return stats.t.ppf(0.975, count - 1) * sd / count**0.5

    assert n is not None and half(n) < abs(mean) <= half(n - 1)
    assert seeds_to_decide([-1.0, 1.0, 0.001], 0.0) is None


def test_differences_are_paired_by_seed(check):
    # Seeds differ far more than methods do: only pairing shows the difference.
    row = check({"bcgan": flat(10.0, 49.0, 89.5), "realnessgan": flat(11.0, 50.1, 90.4)})
    assert row["estimate"] == pytest.approx(np.mean([-1.0, -1.1, -0.9]))
    assert row["verdict"] == "holds" and row["n"] == 3


def test_a_pair_without_its_partner_is_left_out(check):
    row = check({"bcgan": flat(10, 9, 11), "realnessgan": flat(12, 12, 12)}, diverged={("realnessgan", 1)})
    assert row["n"] == 2 and row["estimate"] == pytest.approx(-1.5)
    assert "1 of 3 runs of realnessgan diverged" in row["note"]


def test_reductions_skip_tail_and_share(check):
    curve = [40.0, 10.0, 30.0, 20.0]
    curves = {"bcgan": [curve] * 2, "realnessgan": flat(0, 0)}
    assert check(curves, reduction="min", skip=2)["estimate"] == 20
    assert check(curves, reduction="mean", checkpoints=2)["estimate"] == 25
    assert check(curves, reduction="std")["estimate"] == pytest.approx(np.std(curve))
    assert check(curves, reduction="last", of=BCGAN | {"share": 0.5})["estimate"] == 10
    assert check(curves, reduction="first_below", level=30.0)["estimate"] == 120 - 60
    # Never reached: the last iteration.
    assert check(curves, reduction="first_below", level=5.0)["estimate"] == 240 - 60


def test_ratio_is_the_geometric_mean(check):
    curves = {"bcgan": flat(2.0, 8.0), "realnessgan": flat(1.0, 2.0)}
    row = check(curves, statistic="ratio", expect="higher")
    assert row["estimate"] == pytest.approx(8**0.5)
    assert row["low"] < row["estimate"] < row["high"]


def test_value_against_a_threshold(check):
    curves = {"bcgan": flat(8.9, 9.0, 9.1)}
    assert check(curves, statistic="value", against=None, threshold=10.0)["verdict"] == "holds"
    assert check(curves, statistic="value", against=None, threshold=8.0)["verdict"] == "does not hold"
    row = check(curves, statistic="value", against=None, threshold=9.05)
    assert row["verdict"] == "undecided" and row["seeds_to_decide"].startswith("about ")
    assert row["result"].endswith("3 seeds; claimed lower than 9.05)")


def test_last_share_of_the_run(check):
    """From 50 % on: the checkpoints at 120, 180 and 240 of 240."""
    curves = {"bcgan": [[40.0, 10.0, 30.0, 20.0]] * 2, "realnessgan": flat(0, 0)}
    tail = {"since": 0.5}
    row = check(curves, reduction="mean", of=BCGAN | tail, against=BASELINE | tail)
    assert row["estimate"] == pytest.approx((10 + 30 + 20) / 3)


def test_nothing_measured_is_said(check):
    row = check({"bcgan": flat(1, 1), "realnessgan": flat(2, 3)}, statistic="ratio", metric="gpu_memory")
    assert (row["verdict"], row["n"], row["seeds_to_decide"]) == ("undecided", 0, "")
    assert row["note"].startswith("not measured in these runs") and row["result"].endswith("no value")


def test_collapse_can_be_the_claim(check):
    curves = {"bcgan": flat(1, 1), "realnessgan": flat(1, 1)}
    gone = {("bcgan", 0), ("bcgan", 1)}
    assert check(curves, gone, if_diverged="holds")["verdict"] == "holds"
    assert check(curves, gone)["verdict"] == "undecided"


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
    path = results.root / "runs/mixture/bcgan/seed0/metrics-240.csv"
    lines = path.read_text().splitlines()
    kept = [line for line in lines if "mode_share" not in line]
    # G1 at modes 0 and 1; G2 at modes 1 and 2; half of their mass is shared. Sums below 1 are scaled.
    shares = {"G1": (0.4, 0.4, 0.0), "G2": (0.0, 0.45, 0.45)}
    for source, values in shares.items():
        kept += [f"mixture,bcgan,0,240,{source},mode_share_{k},{v},500," for k, v in enumerate(values)]
    path.write_text("\n".join(kept) + "\n")
    group = make_group("bcgan", "BCGAN", dataset="mixture", seeds=(0,))
    run = load(parse_spec(make_spec(results, "claims", [group]))).groups[0].runs[0]
    assert generators_apart(run, "mixture").loc[240] == pytest.approx(0.5)


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
    spec = make_spec(results, "claims", groups, options={"claims": [claim]}, metrics=[])
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
    spec = make_spec(results, "claims", groups, options={"claims": [claim]}, metrics=[])
    rows = make_claims(spec, tmp_path / "c.csv", tmp_path / "c.md")
    assert rows["name"].tolist() == ["rank, against worse", "rank, against better"]
    assert rows["published"].tolist() == ["1 against 5", "1 against 2"]
    assert rows["estimate"].tolist() == pytest.approx([-4.05, 0.55])
    assert rows["verdict"].tolist() == ["holds", "undecided"]


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
