"""Losses, scores and samples, told to TensorBoard, Weights & Biases and MLflow: the numbers of the files, no others."""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.evaluation.conftest import Scored, points, trained_otherwise

from gantry.errors import UserError
from gantry.metrics.names import label
from gantry.plan import load_plan
from gantry.watching import SERVICES, WatchedRun, Watcher, open_watchers
from gantry.watching.scores import tell_scores

__all__ = ["points", "trained_otherwise"]


@pytest.fixture(scope="module")
def scored(points: Scored, tmp_path_factory: pytest.TempPathFactory) -> tuple[Scored, Path]:
    """A scored run of points, and the folder with its scores."""
    folder = tmp_path_factory.mktemp("scored")
    points.score(folder)
    return points, folder


def told(scored: tuple[Scored, Path], *services: str) -> dict[tuple[str, int], float]:
    """Tell services of the scores; return what they should have: (title, iteration) → value."""
    run, folder = scored
    tell_scores(services, run.record, folder / "metrics.csv", folder / "samples.npz")
    with (folder / "metrics.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["sampled_from"] != "real"]
    titles = [f"score/{label(row['metric'])}/{row['sampled_from']}" for row in rows]
    return {
        (title, int(row["iteration"])): float(row["value"]) for title, row in zip(titles, rows, strict=True)
    }


def test_tensorboard_has_every_score_and_a_picture_of_each_checkpoint(scored: tuple[Scored, Path]) -> None:
    pytest.importorskip("tensorboard", reason="not installed: tensorboard (uv sync --group watch)")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    expected = told(scored, "tensorboard")
    events = EventAccumulator(str(next(scored[0].root.glob("work/*/events/scores")))).Reload()
    found = {
        (name, event.step): event.value for name in events.Tags()["scalars"] for event in events.Scalars(name)
    }
    assert found.keys() == expected.keys() and len(found) > 20
    assert np.allclose([found[key] for key in found], [expected[key] for key in found], rtol=1e-6)
    assert set(events.Tags()["images"]) == {"samples/G1", "samples/G2", "samples/G3"}
    assert [image.step for image in events.Images("samples/G1")] == [2, 4]
    assert events.Images("samples/G1")[0].width == 128


def test_mlflow_has_every_score_in_one_run_and_its_pictures(
    scored: tuple[Scored, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow", reason="not installed: mlflow (uv sync --group mlflow)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    expected = told(scored, "mlflow")
    told(scored, "mlflow")  # again, as after a second segment: the same run
    client = mlflow.MlflowClient()
    (experiment,) = client.search_experiments(filter_string="name = 'gantry'")
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.run_name == "set/recipe/seed0" and found.info.status == "FINISHED"
    for (title, iteration), value in expected.items():
        if title.startswith("score/modes"):
            history = client.get_metric_history(found.info.run_id, title)
            assert value in {row.value for row in history if row.step == iteration}
    assert len(client.list_artifacts(found.info.run_id, "images")) >= 6


def test_wandb_writes_offline(
    scored: tuple[Scored, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("wandb", reason="not installed: wandb (uv sync --group wandb)")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("HOME", str(tmp_path))
    expected = told(scored, "wandb")
    (file,) = scored[0].root.glob("work/*/wandb/offline-run-*/run-*.wandb")
    content = file.read_bytes()
    assert all(title.encode() in content for title, _ in expected)
    assert list(scored[0].root.glob("work/*/wandb/offline-run-*/files/media/images/samples/G1*.png"))


class Recorded(Watcher):
    """Stands in for a service, and keeps what it is told."""

    def __init__(self, run: WatchedRun, part: str, resumed_at: int) -> None:
        self.run, self.part, self.resumed_at = run, part, resumed_at
        self.numbers: dict[tuple[str, int], float] = {}
        self.pictures: list[tuple[str, int]] = []
        self.is_closed = False

    def scalars(self, iteration: int, values: Any) -> None:
        self.numbers |= {(name, iteration): value for name, value in values.items()}

    def picture(self, iteration: int, name: str, image: Any) -> None:
        assert image.dtype == np.uint8 and image.shape[2] == 3
        assert image.min() < 200  # a point is somewhere
        self.pictures.append((name, iteration))

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Recorded]]:
    """Every service is such a one; in the order in which they were opened."""
    opened: list[Recorded] = []

    def make(*arguments: Any) -> Recorded:
        opened.append(Recorded(*arguments))
        return opened[-1]

    for name in SERVICES:
        monkeypatch.setattr(f"gantry.watching.{name}_.Service", make)
    yield opened
    assert all(handle.is_closed for handle in opened)


def test_every_service_is_told_the_same_under_the_runs_own_name(
    scored: tuple[Scored, Path], services: list[Recorded]
) -> None:
    expected = told(scored, *SERVICES)
    assert len(services) == 3
    for service in services:
        assert service.numbers == expected
        assert service.pictures == [(f"samples/G{k}", i) for i in (2, 4) for k in (1, 2, 3)]
        assert (service.run.name, service.part) == ("set/recipe/seed0", "scores")
        assert (service.run.work / "history.csv").exists()


def test_training_tells_its_losses(
    services: list[Recorded], trained_otherwise: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gantry.training import train as loop

    original = loop.train
    monkeypatch.setattr("tests.evaluation.conftest.train", lambda *a: original(*a, watch=("wandb", "mlflow")))
    run = trained_otherwise(generators=2)
    (history,) = run.root.glob("work/*/history.csv")
    with history.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    for service in services:
        assert {step for _, step in service.numbers} == {int(row["iteration"]) for row in rows}
        for row in rows:
            loss = service.numbers["loss/D", int(row["iteration"])]
            assert loss == pytest.approx(float(row["loss_d"]), rel=1e-6)
    assert len(services) == 2


@pytest.mark.parametrize("name", SERVICES)
def test_a_library_that_is_missing_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = {"tensorboard": "torch.utils.tensorboard"}.get(name, name)
    monkeypatch.setitem(sys.modules, library, None)
    run = WatchedRun(tmp_path, "a/b/seed0", "0", {})
    with pytest.raises(
        UserError, match=rf"config: {name}: needs .*--group {SERVICES[name]}\) or set {name}: false"
    ):
        open_watchers([name], run, "scores")


def test_the_configuration_asks_for_each_by_one_word(repository: Path) -> None:
    plan = load_plan({"scale": "smoke", "wandb": True, "mlflow": True}, repository)
    assert plan.config.watch == ("wandb", "mlflow")
