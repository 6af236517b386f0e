"""What methods that translate refuse, with the remedy: in a recipe, of a data set, in a plan."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.methods.translators import BASE, CYCLEGAN, IMAGES, PIX2PIX, UNET, method_of

from gantry.data import prepare
from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.plan import load_plan
from gantry.plan.costs import shape_of
from gantry.plan.recipe import Recipe

DCGAN = {"family": "dcgan", "width": 2}
SR = {"family": "sr_resnet", "width": 2}


@pytest.mark.parametrize(
    ("method", "more", "message"),
    [
        (PIX2PIX, {"networks": DCGAN}, "starts from latents; take unet"),
        ({"name": "adversarial"}, {}, "take a method that translates"),
        (PIX2PIX, {"latent": {"dimension": 3}}, "latent is of generators"),
        (PIX2PIX, {"generators": 2}, "generators is of generators"),
        (PIX2PIX, {"terms": {"sample_spread": 1.0}, "generators": 1}, "terms.sample_spread"),
        (PIX2PIX, {"terms": {"orthogonal_regularisation": 1e-4}}, r"players: \[discriminator\]"),
        (
            CYCLEGAN,
            {"terms": {"historical_averaging": 1e-4}},
            "terms.historical_averaging would stand in G's loss",
        ),
        (PIX2PIX, {"objective": {"name": "realness", "atoms": 5}}, "take another objective"),
        (PIX2PIX | {"adversarial": 0, "match": 0}, {}, "nothing is left to learn from"),
        (PIX2PIX | {"adversarial": 0, "feature_matching": 1}, {}, "take feature_matching away"),
        (PIX2PIX | {"match": 0, "warm_up": 3}, {}, "take warm_up away"),
        (PIX2PIX | {"scales": 2}, {}, "are of images"),
        (PIX2PIX, {"networks": SR}, "set sees: output"),
        (CYCLEGAN, {"networks": SR}, "take unet or resnet_blocks"),
        (CYCLEGAN | {"pool": 50}, {}, "pool 50 is not a multiple of batch_size 8"),
        (CYCLEGAN | {"pool": 16}, {"processes": 2}, "set processes: 1"),
        (CYCLEGAN | {"pool": 16}, {"batch_multiples": {"discriminator": 2}}, "take batch_multiples"),
        (CYCLEGAN | {"adversarial": 0}, {}, "nothing tells the domains apart"),
        (CYCLEGAN | {"balance": {"before": 2}}, {}, "less than or equal to 1"),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_remedy(method: Any, more: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Recipe.model_validate(BASE | {"method": method} | more)


@pytest.mark.parametrize(
    ("method", "data", "more", "message"),
    [
        (PIX2PIX, DataShape((2,)), {}, "the data set has no pairs; give it inputs:"),
        (
            CYCLEGAN,
            DataShape((3, 32, 32), input=(3, 8, 8)),
            {"networks": UNET},
            "between domains of one shape",
        ),
        (
            PIX2PIX | {"skip": True, "sees": "output"},
            DataShape((3, 32, 32), input=(3, 8, 8)),
            {"networks": SR},
            "take skip away",
        ),
        (PIX2PIX, IMAGES, {"networks": UNET | {"patches": 5}}, "set patches: 3"),
    ],
)
def test_what_the_data_cannot_give_is_refused(method: Any, data: DataShape, more: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        method_of(method, data, **more)


def test_one_image_at_a_time_is_for_translators() -> None:
    assert Recipe.model_validate(BASE | {"method": PIX2PIX, "batch_size": 1}).batch_size == 1
    with pytest.raises(ValidationError, match="2 or more"):
        Recipe.model_validate(BASE | {"networks": {"family": "mlp"}, "batch_size": 1})


def test_a_plan_knows_the_shape_of_inputs_before_they_are_prepared(tmp_path: Path) -> None:
    """So that what translators compute and hold is counted, without a byte of data."""
    given = {"scale": "smoke", "papers": ["translation"], "seeds": [0], "results": str(tmp_path / "results")}
    plan = load_plan(given, Path(__file__).resolve().parents[2])
    inputs = {run.dataset: shape_of(plan, run)["input"] for run in plan.runs.values()}
    assert inputs["mixture_turned"] == [2] and inputs["digits_edges"] == [3, 32, 32]
    assert inputs["digits_low"] == [3, 8, 8]
    run = next(run for run in plan.runs.values() if run.dataset == "mixture_turned")
    prepared = Path(plan.manifest(run))
    prepare(plan.datasets[run.dataset], run.dataset, tmp_path, None, prepared.parent)
    assert shape_of(plan, run)["input"] == [2]


@pytest.mark.parametrize(
    ("datasets", "message"),
    [
        (
            {"digits_edges": {"inputs": None}},
            "recipes.pictures_pix2pix: method.match: data set digits_edges has no pairs; give it inputs:",
        ),
        (
            {"digits_low": {"inputs": {"factor": 2}}},
            "enlarges 4 times, and the inputs of data set digits_low are 2",
        ),
        ({"digits_split": {"held_out": None}}, "data set digits_split holds none out: give it held_out: 500"),
        (
            {"digits_edges": {"inputs": {"degradation": "low"}}},
            "recipes.pictures_cyclegan: method.cycle: the inputs of data set digits_edges are 4 times smaller",
        ),
    ],
)
def test_a_plan_refuses_what_a_data_set_cannot_give(datasets: dict[str, Any], message: str) -> None:
    given = {"scale": "smoke", "papers": ["translation"], "datasets": datasets}
    with pytest.raises(UserError) as refused:
        load_plan(given, Path(__file__).resolve().parents[2])
    assert message in str(refused.value)
    assert all(
        line.startswith("workflow/experiments/translation.yaml: recipes.")
        for line in str(refused.value).splitlines()
    )
