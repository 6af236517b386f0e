"""TensorBoard's event files: only if asked for, with the history's numbers, and dropped behind a resumption."""

import csv
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.workflow.conftest import folder, gantry, made
from tests.workflow.steps import RUN, Gantry, refused, train_arguments

__all__ = ["folder", "gantry", "made"]


class Written:
    """Stands in for torch's SummaryWriter and keeps what is written."""

    scalars: dict[tuple[str, int], float] = {}
    purged: list[int] = []

    def __init__(self, folder: str, purge_step: int) -> None:
        assert Path(folder).parent.parent.name == "work"
        self.purged.append(purge_step)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.scalars[name, step] = value

    def flush(self) -> None:
        """Nothing is held back."""


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> type[Written]:
    module: Any = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Written
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.setattr(Written, "scalars", {})
    monkeypatch.setattr(Written, "purged", [])
    return Written


def test_events_are_the_history(folder: Path, gantry: Gantry, written: type[Written]) -> None:
    assert gantry(*train_arguments(20))[0] == 0
    assert not written.scalars, "nobody had asked for events"
    assert gantry(*train_arguments(40), "--tensorboard")[0] == 0
    assert written.purged == [21], "the run went on from iteration 20"
    with next(RUN.glob("work/*/history.csv")).open() as stream:
        rows = {int(row["iteration"]): row for row in csv.DictReader(stream)}
    steps = {step for _, step in written.scalars}
    assert steps == {step for step in rows if step > 20} >= {30, 40}
    for step in steps:
        assert written.scalars["loss/D", step] == pytest.approx(float(rows[step]["loss_d"]), rel=1e-8)
        assert written.scalars["loss/G", step] == pytest.approx(float(rows[step]["loss_g"]), rel=1e-8)


def test_without_the_package_one_message_says_so(
    folder: Path, gantry: Gantry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    answer = gantry(*train_arguments(20), "--tensorboard")
    refused(answer, "config: tensorboard", "uv sync --group watch", "tensorboard: false")
    assert gantry(*train_arguments(20))[0] == 0


def test_real_event_files_can_be_read(folder: Path, gantry: Gantry) -> None:
    pytest.importorskip("tensorboard", reason="not installed: tensorboard (uv sync --group watch)")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert gantry(*train_arguments(20), "--tensorboard")[0] == 0
    events = EventAccumulator(str(next(RUN.glob("work/*/events")))).Reload()
    assert set(events.Tags()["scalars"]) == {"loss/D", "loss/G", "iterations per second"}
    assert events.Scalars("loss/D")[-1].step == 20
