"""A loss that is not finite is a result: noted, recorded, and the end of that run."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gantry.training import train as loop
from gantry.training.step import Step


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int, float], None]:
    """`poison("generator", 10, nan)`: that player's loss is `value` in that iteration, every time it runs."""
    now = 0
    iterate = loop.Trainer.iterate

    def counted(self: loop.Trainer) -> None:
        nonlocal now
        now = self.progress.iteration + 1
        iterate(self)

    monkeypatch.setattr(loop.Trainer, "iterate", counted)

    def arrange(player: str, iteration: int, value: float) -> None:
        update = Step.update

        def poisoned(self: Step, name: str, batch: Any) -> Any:
            loss = update(self, name, batch)
            return loss.new_tensor(value) if (now, name) == (iteration, player) else loss

        monkeypatch.setattr(Step, "update", poisoned)

    return arrange


def read(record: Path) -> dict[str, Any]:
    return json.loads(record.read_text())


@pytest.mark.parametrize(
    ("player", "iteration", "value", "kept"),
    [
        ("discriminator", 1, math.nan, []),
        ("generator", 6, math.inf, []),
        ("generator", 7, -math.inf, [6]),
        ("discriminator", 11, math.nan, [6]),
        ("generator", 18, math.nan, [6, 12]),
    ],
)
def test_the_record_says_where(
    player: str, iteration: int, value: float, kept: list[int], lab: Any, poison: Callable[..., None]
) -> None:
    poison(player, iteration, value)
    root = lab.train("diverged", 18)
    record = read(root / "record-18.json")
    assert (record["status"], record["diverged_at"], record["iterations"]) == ("diverged", iteration, 18)
    assert [entry["iteration"] for entry in record["checkpoints"]] == kept
    checkpoints = lab.work("diverged").work / "checkpoints"
    assert [int(path.stem) for path in sorted(checkpoints.glob("*"))] == kept
    rows = lab.work("diverged").history.read_text().splitlines()[1:]
    finite = [all(math.isfinite(float(value)) for value in row.split(",")[1:3]) for row in rows]
    assert finite == [True] * (len(rows) - 1) + [False]


def test_a_stop_inside_the_interval_does_not_move_it(
    lab: Any, tools: Any, poison: Callable[..., None], stop_at: Callable[..., None]
) -> None:
    poison("discriminator", 10, math.nan)
    expected = tools.outcome(lab.train("reference", 18))
    stop_at(9, 11)
    assert lab.train_through("stopped", 18) == 2
    assert tools.outcome(lab.root("stopped")) == expected


def test_a_diverged_run_stays_so_and_earlier_records_do_not_know(
    lab: Any, tools: Any, poison: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    poison("generator", 10, math.nan)
    root = lab.train("run", 6)
    assert read(root / "record-6.json")["status"] == "complete"
    lab.train("run", 18)
    before = tools.outcome(root)
    monkeypatch.setattr(loop.Trainer, "iterate", lambda self: pytest.fail("trained on"))
    for end in (6, 18):
        (root / f"record-{end}.json").unlink()
        lab.train("run", end)
    assert tools.outcome(root) == before
    lab.train("run", 24)
    assert read(root / "record-24.json")["diverged_at"] == 10


def test_a_step_that_is_too_long_diverges(lab: Any, tools: Any) -> None:
    """No poison: the optimiser throws the weights out of float32's range."""
    recipe = tools.bcgan | {"optimiser": {"lr_g": 1e38, "lr_d": 1e38}}
    record = read(lab.train("far", 6, recipe) / "record-6.json")
    assert record["status"] == "diverged" and record["diverged_at"] <= 3
