"""The Python API makes what the workflow makes, in the same places; `gantry train` by name is a part of it."""

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.workflow.checkout import BASE
from tests.workflow.plans import HERE

from gantry import api
from gantry.cli import run
from gantry.errors import UserError
from gantry.plan import Plan
from gantry.plan.steps import needed, stale


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plan]:
    """A folder with the tests' own paper, as the working directory, and its plan."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "workflow/experiments").mkdir(parents=True)
    shutil.copy(HERE / "sketch.yaml", folder / "workflow/experiments")
    with contextlib.chdir(folder):
        yield api.plan(**BASE | {"segment_iterations": None})


@pytest.fixture(scope="module")
def points(study: Plan) -> dict[str, Path]:
    """Both recipes for points, trained."""
    return {name: api.train(study, name, "mixture") for name in ("points_one", "points_two")}


def test_from_a_plan_to_a_table_as_the_workflow_would(study: Plan, points: dict[str, Path]) -> None:
    for folder in points.values():
        scores = api.metrics(study, folder)
        assert set(scores["iteration"]) >= {10, 20} and "modes_covered" in set(scores["metric"])
    table = api.table(study, "sketch", "modes")
    assert {"ours_mean", "n"} <= set(table.columns) and len(table) > 2
    assert list(api.claims(study, "sketch", "said")["name"]) == ["two_cover_more"]
    assert api.figure(study, "sketch", "places").stat().st_size > 1000
    steps = needed(study, [study.files_of("sketch", name)[0] for name in ("modes", "said", "places")])
    assert {step.rule for step in steps} == {"prepare", "train", "score", "table", "claims", "figure"}
    assert all(step.is_there for step in steps)
    assert stale(steps) == []
    run_statuses = api.runs(study).set_index("recipe")["state"]
    assert (run_statuses["points_one"], run_statuses["images_one"]) == ("done", "waiting")


def test_a_trained_run_is_not_trained_again_and_goes_on_when_asked_for_more(
    study: Plan, points: dict[str, Path]
) -> None:
    record = points["points_one"] / "record-20.json"
    before = record.stat().st_mtime_ns
    assert api.train(study, "points_one", "mixture") == points["points_one"]
    assert record.stat().st_mtime_ns == before
    assert api.train(study, "points_one", "mixture", until=30) == points["points_one"]
    assert api.load(points["points_one"]).iteration == 30
    assert list(api.history(points["points_one"])["iteration"])[-1] == 30
    of_plan = Path(study.metrics(study.any_run("mixture", "points_one", 0), 20))
    of_plan.unlink(missing_ok=True)
    assert max(api.metrics(study, points["points_one"])["iteration"]) == 30
    assert of_plan.exists(), "for the plan's tables"


def test_samples_and_scores_of_images(study: Plan) -> None:
    folder = api.train(study, "images_two", "digits", seed=1)  # a seed that no output asks for
    trained = api.load(folder)
    images = api.sample(trained, 9)
    assert images.shape == (9, 32, 32, 3) and images.dtype == np.uint8
    assert (images == api.sample(trained, 9)).all() and (images != api.sample(trained, 9, seed=1)).any()
    scores = api.metrics(study, folder)
    assert set(scores["feature_network"]) == {"embedded"}
    (weights,) = study.feature_weights()
    of_itself = api.score(images, images, "embedded", weights, ["frechet_distance"])
    assert of_itself.scores[0].value == pytest.approx(0, abs=1e-3)


def test_names_that_nothing_is_called_are_explained(study: Plan, points: dict[str, Path]) -> None:
    with pytest.raises(UserError, match="unknown recipe 'point_one'; did you mean \"points_one\""):
        api.train(study, "point_one", "mixture")
    with pytest.raises(UserError, match="15 iterations are not on the grid of checkpoints, every 10"):
        api.train(study, "points_one", "mixture", until=15)
    with pytest.raises(UserError, match="no table of this name; known: sketch/modes"):
        api.table(study, "sketch", "said")
    other = api.plan(**BASE | {"recipes": {"points_one": {"batch_size": 10}}})
    with pytest.raises(UserError, match="trained with another recipe than the plan's"):
        api.metrics(other, points["points_one"])


def test_by_name_on_the_command_line(
    study: Plan, points: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    given = study.config.model_dump(mode="json", exclude_defaults=True)
    Path("config.yaml").write_text(json.dumps(given))
    assert run(["train", "points_two", "mixture", "--seed", "0", "--until", "20"]) == 0
    assert str(points["points_two"]) in capsys.readouterr().out
    assert run(["train", "points_two"]) == 2
    assert "name a data set too: gantry train points_two cifar10" in capsys.readouterr().err
    assert run(["train"]) == 2
    assert "missing: --until, --spec, --data, --record" in capsys.readouterr().err


def test_everything_of_the_api_is_documented() -> None:
    page = (Path(__file__).parent.parent / "docs/python.md").read_text()
    assert [name for name in api.__all__ if f"`api.{name}" not in page] == []
    assert all(getattr(api, name).__doc__ for name in api.__all__)
