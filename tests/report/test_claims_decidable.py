"""Whether claims can be decided with so few seeds: what is said of it holds against the tests themselves."""

import pytest

from gantry.plan.output_types.claims import Claim
from gantry.report.claims import _seeds_notes
from gantry.report.sides import least_seeds
from gantry.report.statistics import LEAST_FOR_SIGNS, judge, one_sample, two_samples


def claim(name="n", **test):
    return Claim.model_validate(
        {"name": name, "statement": "s", "test": {"of": "a", "expect": "lower"} | test}
    )


@pytest.mark.parametrize(
    ("told", "least"),
    [
        ({"metric": "frechet_distance", "against": "b"}, 3),
        ({"metric": "modes_covered", "against": "b"}, 4),  # counts: an exact test must agree
        ({"metric": "frechet_distance", "against": {"recipe": "a", "source": "8"}}, 6),  # of one run
        ({"metric": "frechet_distance", "statistic": "value"}, 6),
        ({"metric": "label_accuracy", "statistic": "value", "threshold": 0.5}, 6),  # ½·½·½ is no proof
        ({"metric": "label_accuracy", "statistic": "value", "threshold": 0.99}, 3),  # 0, 0, 0 are
        ({"metric": "generator_parameters", "against": "b"}, 1),
    ],
)
def test_how_many_seeds_the_clearest_result_takes(told, least):
    assert least_seeds(claim(**told)) == least


def test_fewer_seeds_do_not_decide_and_these_do():
    """The rule against the tests: sides far apart, and values far from the boundary."""
    for n in range(2, 7):
        far = [1.0 + 0.001 * k for k in range(n)], [9.0 + 0.001 * k**2 for k in range(n)]
        assert (judge("lower", 0, lambda b, f=far: two_samples(*f, b)).verdict == "holds") == (n >= 3)
        counts = [1.0] * n, [9.0] * n
        assert (judge("lower", 0, lambda b, c=counts: two_samples(*c, b)).verdict == "holds") == (n >= 4)
        assert (judge("lower", 5, lambda b, x=far[0]: one_sample(x, b)).verdict == "holds") == (
            n >= LEAST_FOR_SIGNS
        )


def test_the_list_says_which_claims_take_more():
    several = [
        claim(metric="frechet_distance", against="b", name="two recipes"),
        claim(metric="modes_covered", against="b", name="modes"),
        claim(metric="frechet_distance", statistic="value", name="value"),
        claim(metric="swd", against={"recipe": "a", "source": "8"}, name="levels"),
    ]
    assert _seeds_notes(several) == [
        "The fewest seeds with which a result can decide: 3 for two recipes, 4 for counts (modes), "
        "6 for one number a run, or two of the same run (value, levels)."
    ]
    assert _seeds_notes(several[:1]) == []
