"""A term as a number or as a mapping, and what its block refuses."""

from typing import Any

import pytest
from pydantic import ValidationError

from gantry.plan.blocks.terms import Terms
from gantry.terms import build_terms

WITH_OPTIONS = (
    "entropy_distance",
    "jensen_shannon",
    "gradient_penalty",
    "orthogonal_regularisation",
    "historical_averaging",
)


@pytest.mark.parametrize("name", WITH_OPTIONS)
def test_a_number_is_a_mapping_of_the_weight(name: str) -> None:
    short, long = Terms(**{name: 2}), Terms(**{name: {"weight": 2}})
    assert short == long
    assert short.model_dump(exclude_defaults=True) == {name: {"weight": 2.0}}
    assert Terms.model_validate(short.model_dump(exclude_defaults=True)) == short


@pytest.mark.parametrize("name", WITH_OPTIONS)
def test_what_is_left_out_says_nothing(name: str) -> None:
    assert Terms(**{name: 0}) == Terms(**{name: {"weight": 0}}) == Terms()
    assert Terms().model_dump(exclude_defaults=True) == {}
    assert build_terms(Terms(**{name: 0}), None, (2,)) == ([], [])


def test_the_options_of_a_term_of_weight_0_are_checked_and_forgotten() -> None:
    assert Terms(entropy_distance={"weight": 0, "estimator": "parzen", "bins": 64}) == Terms()
    with pytest.raises(ValidationError):
        Terms(entropy_distance={"weight": 0, "estimator": "parzen", "bins": 1})


def test_options_said_aloud_as_their_defaults_say_nothing_either() -> None:
    told = Terms(entropy_distance={"weight": 1, "detached": False, "estimator": "cross_entropy"})
    assert told.model_dump(exclude_defaults=True) == {"entropy_distance": {"weight": 1.0}}


def test_dumps_of_terms_without_options_are_numbers_as_ever() -> None:
    told = Terms(logit_agreement=1, sample_spread=0.5)
    assert told.model_dump(exclude_defaults=True) == {"logit_agreement": 1.0, "sample_spread": 0.5}


@pytest.mark.parametrize("name", ["orthogonal_regularisation", "historical_averaging"])
@pytest.mark.parametrize(
    ("players", "counts"),
    [
        (["discriminator"], (1, 0)),
        (["generators"], (0, 1)),
        (["discriminator", "generators"], (1, 1)),
        (None, (1, 1)),
    ],
)
def test_players(name: str, players: list[str] | None, counts: tuple[int, int]) -> None:
    block = {"weight": 1} | ({"players": players} if players else {})
    of_d, of_g = build_terms(Terms(**{name: block}), None, (2,))
    assert (len(of_d), len(of_g)) == counts


@pytest.mark.parametrize(
    ("name", "given", "place", "says"),
    [
        ("entropy_distance", -1, "weight", "greater than or equal to 0"),
        ("entropy_distance", "much", "weight", "valid number"),
        ("entropy_distance", {"bins": 8}, "weight", "Field required"),
        ("entropy_distance", {"weight": 1, "bins": 1}, "bins", "greater than or equal to 2"),
        (
            "entropy_distance",
            {"weight": 1, "estimator": "exact"},
            "estimator",
            "'cross_entropy', 'parzen' or 'neural'",
        ),
        ("entropy_distance", {"weight": 1, "bound": "infonce"}, None, "set estimator: neural"),
        ("jensen_shannon", {"weight": 1, "range": [1, -1]}, None, "low < high"),
        ("jensen_shannon", {"weight": 1, "pairs": "sorted"}, "pairs", "Extra inputs are not permitted"),
        ("gradient_penalty", {"weight": 1, "center": -1}, "center", "greater than or equal to 0"),
        ("gradient_penalty", {"weight": 1, "perturbation": 0.5}, None, "points perturbed"),
        ("orthogonal_regularisation", {"weight": 1, "players": []}, "players", "at least 1 item"),
        ("feature_matching", {"weight": 1}, None, "valid number"),
    ],
)
def test_mistakes(name: str, given: Any, place: str | None, says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Terms(**{name: given})
    (error,) = caught.value.errors()
    assert error["loc"] == (name, place)[: 1 if place is None else 2]
    assert says in error["msg"]
