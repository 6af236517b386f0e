"""The core on a method that it has never heard of: see toy.py."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tests.training.test_capture import Tapes
from tests.training.test_distributed import members
from tests.training.toy import RECIPE, Toy, ToyOptions

from gantry.data import open_prepared
from gantry.data.batches import Streams
from gantry.data.shape import DataShape
from gantry.methods import build_method
from gantry.plan.recipe import Recipe
from gantry.system.signals import EXIT_CONTINUE
from gantry.training import train as loop
from gantry.training.capture import CapturedStep

LOSSES = ["iteration", "loss_d", "loss_g", "loss_classifier"]


def columns_of(root: Path, count: int = 4) -> list[list[str]]:
    (history,) = root.rglob("history.csv")
    return [line.split(",")[:count] for line in history.read_text().splitlines()]


@pytest.fixture
def taped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps as a GPU has them, on the tape."""
    monkeypatch.setattr(
        loop,
        "build_step",
        lambda method, recipe, device, stage, before: CapturedStep(
            method, recipe, device, Tapes(), stage, before
        ),
    )


def test_it_trains_through_both_stages_and_goes_on_from_anywhere(
    image_lab: Any, tools: Any, stop_at: Callable[..., None]
) -> None:
    """Stopped inside the first stage, right before the second one, in its first iteration, and inside of it."""
    whole = tools.outcome(image_lab.train("whole", 12, RECIPE))
    columns, *rows = columns_of(image_lab.root("whole"))
    assert columns == LOSSES
    by_iteration = {int(row[0]): [float(loss) for loss in row[1:]] for row in rows}
    assert (
        by_iteration[4][2] == 0 and by_iteration[12][2] > 0
    )  # the classifier learns from the second stage on
    stop_at(3, 5, 6, 9)
    assert image_lab.train_through("stopped", 12, RECIPE) == 4
    assert tools.outcome(image_lab.root("stopped")) == whole


def test_every_weight_moves_in_its_own_phase_alone(images: Path) -> None:
    recipe, prepared = Recipe.model_validate({"workload": ""} | RECIPE), open_prepared(images)
    torch.manual_seed(0)
    method = build_method(recipe, DataShape.of(prepared)).train()
    assert isinstance(method, Toy)
    first, second = method.stages()
    step = loop.build_step(method, recipe, torch.device("cpu"), first)
    assert step.sizes() == (8, 8, 12)
    method.enter(second)
    step = loop.build_step(method, recipe, torch.device("cpu"), second, step)
    assert step.sizes() == (4, 4, 4)
    batches = Streams(prepared, method.streams(prepared), step.sizes(), 0, "cpu")
    trained = {
        "discriminator": {"adversary"},
        "generator": {"generator"},
        "classifier": {"classifier", "generator"},
    }
    for name, expected in trained.items():
        data, labels = batches.next()
        batch = loop.Batch(data, labels, method.draw(name, 4, torch.device("cpu")))
        before = {key: value.detach().clone() for key, value in method.named_parameters()}
        step.update(name, batch)
        moved = {key for key, value in method.named_parameters() if not torch.equal(value, before[key])}
        assert {key.partition(".")[0] for key in moved} == expected
        if name == "classifier":
            assert "generator.start.weight" not in moved and "generator.classes.weight" in moved
        assert all(weight.requires_grad for weight in method.parameters())
    assert step.optimisers["classifier"].param_groups[0]["lr"] == 1e-3 * second.rate


def test_labels_follow_their_rows_through_streams_mirrors_and_restarts(images: Path) -> None:
    prepared = open_prepared(images)
    assert prepared.labels is not None
    label_of = {
        sample.tobytes(): label for sample, label in zip(prepared.samples, prepared.labels, strict=True)
    }
    label_of |= {
        sample[:, ::-1].tobytes(): label
        for sample, label in zip(prepared.samples, prepared.labels, strict=True)
    }
    streams = Toy.streams(None, prepared)  # type: ignore[arg-type]
    straight, cut = (Streams(prepared, streams, (8, 12), 3, "cpu", flip=True) for _ in range(2))

    def check(drawn: Any) -> None:
        for name, labels in (("x", drawn.labels), ("x_b", drawn.data["x_b_labels"])):
            rows = ((drawn.data[name] + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
            found = [label_of[np.ascontiguousarray(row).tobytes()] for row in rows]
            assert found == labels.tolist() and {label % 2 for label in found} == {int(name == "x_b")}

    for _ in range(12):
        for size in (8, 12):
            drawn = straight.next()
            assert len(drawn.data["x"]) == len(drawn.data["x_b"]) == size
            check(drawn)
            cut.next()
        state = cut.state_dict()
        cut = Streams(prepared, streams, (8, 12), 3, "cpu", flip=True)
        cut.load_state_dict(state)
    drawn, again = straight.next(), cut.next()
    assert torch.equal(drawn.data["x_b"], again.data["x_b"]) and torch.equal(drawn.labels, again.labels)


def test_it_is_captured_in_both_stages(image_lab: Any, tools: Any, taped: None) -> None:
    recipe = RECIPE | {"ema": 0.0, "optimiser": {"name": "oadam"}}
    root = image_lab.train("captured", 12, recipe)
    assert json.loads((root / "record-12.json").read_text())["provenance"]["step"] == "captured"
    captured = columns_of(root)
    with pytest.MonkeyPatch.context() as patch:
        from gantry.training.capture import build_step

        patch.setattr(loop, "build_step", build_step)
        plain = columns_of(image_lab.train("plain", 12, recipe))
    for ours, theirs in zip(captured[1:], plain[1:], strict=True):
        assert list(map(float, ours)) == pytest.approx(list(map(float, theirs)), rel=1e-4, abs=1e-5)


def test_a_captured_run_that_is_stopped_at_a_stage_ends_in_the_same_bits(
    image_lab: Any, tools: Any, taped: None, stop_at: Callable[..., None]
) -> None:
    whole = tools.outcome(image_lab.train("whole", 12, RECIPE))
    stop_at(5, 8)
    assert image_lab.train_through("stopped", 12, RECIPE) == 2
    assert tools.outcome(image_lab.root("stopped")) == whole


def test_two_processes_share_it_and_are_killed(image_lab: Any, tools: Any) -> None:
    recipe = RECIPE | {"processes": 2}

    def both(name: str, strike: tuple[int, int] | None = None) -> list[int]:
        def work(rank: int) -> None:
            iterate = loop.Trainer.iterate

            def struck(self: loop.Trainer) -> None:
                if (rank, self.progress.iteration) == strike:
                    os.kill(os.getpid(), signal.SIGKILL)
                iterate(self)

            loop.Trainer.iterate = struck  # type: ignore[method-assign]
            image_lab.train(name, 12, recipe)

        return [tools.ended(child) for child in members(tools, work)]

    assert both("whole") == [0, 0]
    codes = both("killed", (1, 8))
    assert codes[1] == -signal.SIGKILL and codes[0] not in (0, EXIT_CONTINUE)
    assert both("killed") == [0, 0]
    assert tools.outcome(image_lab.root("killed")) == tools.outcome(image_lab.root("whole"))


def test_options_are_checked_where_they_are_declared() -> None:
    with pytest.raises(ValidationError, match="method toy does not look ahead: take unroll away"):
        Recipe.model_validate({"workload": ""} | RECIPE | {"unroll": 2})
    with pytest.raises(ValidationError, match="grow_by: no option of method"):
        Recipe.model_validate({"workload": ""} | RECIPE | {"method": {"name": "toy", "grow_by": 2}})
    with pytest.raises(ValidationError, match="unknown method 'toi'; did you mean 'toy'"):
        Recipe.model_validate({"workload": ""} | RECIPE | {"method": "toi"})
    told = Recipe.model_validate({"workload": ""} | RECIPE | {"method": "toy"})
    assert told.method == ToyOptions(name="toy")
    assert told.model_dump(exclude_defaults=True)["method"] == {"name": "toy"}
    usual = Recipe.model_validate({"workload": ""} | RECIPE | {"method": "adversarial", "optimiser": {}})
    assert "method" not in usual.model_dump(exclude_defaults=True)


def test_generic_machinery_knows_no_methods_name(repository: Path) -> None:
    from gantry.plan.methods import known_methods

    names = {name for name in known_methods() if name != "toy"}
    for path in (repository / "src/gantry/training").glob("*.py"):
        words = set(path.read_text(encoding="utf-8").replace('"', " ").replace("'", " ").split())
        assert not words & names, path
