"""A run that is stopped or killed, anywhere, ends in the bits of one that was left alone."""

import csv
import json
import os
import random
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch
from tests.training.conftest import MLP

import gantry
from gantry.system.signals import EXIT_CONTINUE, Stopped
from gantry.training import train as loop

PACKAGE = Path(gantry.__file__).parent
TRACED = {*map(str, (PACKAGE / "training").glob("*.py")), str(PACKAGE / "files.py")}


@pytest.fixture
def reference(lab: Any, tools: Any) -> dict[str, Any]:
    """The outcome of 18 undisturbed iterations."""
    return tools.outcome(lab.train("reference", 18))


@pytest.mark.parametrize("stops", [(1,), (4,), (6,), (11,), (17, 18), (2, 3, 5, 7, 13)])
def test_stopping_changes_no_bit(
    stops: tuple[int, ...], lab: Any, tools: Any, reference: dict[str, Any], stop_at: Callable[..., None]
) -> None:
    stop_at(*stops)
    assert lab.train_through("stopped", 18) == len(stops)
    assert tools.outcome(lab.root("stopped")) == reference
    assert [int(row[0]) for row in reference["history"][1:]] == [4, 6, 8, 12, 16, 18]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGURG])
def test_each_signal_asks_and_says_where_it_stopped(
    number: signal.Signals, lab: Any, stop_at: Callable[..., None]
) -> None:
    stop_at(7, number=number)
    with pytest.raises(Stopped, match=f"{number.name}: state saved at iteration 7 of 18"):
        lab.train("stopped", 18)
    assert not (lab.root("stopped") / "record-18.json").exists()


def test_saving_between_checkpoints_changes_no_bit(
    lab: Any, tools: Any, reference: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[int] = []
    save = loop.Trainer.save

    def noted(self: loop.Trainer) -> None:
        saved.append(self.progress.iteration)
        save(self)

    monkeypatch.setattr(loop.Trainer, "save", noted)
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    assert tools.outcome(lab.train("often", 18)) == reference
    assert set(range(1, 19)) <= set(saved)


def test_segments_make_the_run_that_one_segment_makes(lab: Any, tools: Any) -> None:
    root = lab.train("segments", 12)
    first = tools.outcome(root, state=False)
    lab.train("segments", 24)
    lab.train("whole", 24)
    segments, whole = tools.outcome(root), tools.outcome(lab.root("whole"))
    assert segments["records"].pop("record-12.json") == first["records"]["record-12.json"]
    assert segments == whole
    assert [checkpoint["iteration"] for checkpoint in whole["records"]["record-24.json"]["checkpoints"]] == [
        6,
        12,
        18,
        24,
    ]
    # The first record, deleted, comes back as it was although the state is further on.
    (root / "record-12.json").unlink()
    lab.train("segments", 12)
    assert tools.outcome(root)["records"]["record-12.json"] == first["records"]["record-12.json"]


def test_seeds_and_recipes_do_differ(lab: Any, tools: Any) -> None:
    """The comparisons of this file can fail."""
    runs = [
        tools.outcome(lab.train("a", 6)),
        tools.outcome(lab.train("b", 6, seed=1)),
        tools.outcome(lab.train("c", 6, tools.bcgan | {"terms": {}})),
    ]
    for key in ("history", "checkpoints", "state"):
        assert runs[0][key] != runs[1][key] != runs[2][key] != runs[0][key]


VARIANTS: dict[str, dict[str, Any]] = {
    "one generator, minimax": {"generators": 1, "objective": {"name": "minimax"}, "terms": {}},
    "one generator, two views": {"generators": 1, "latent": {"dimension": 16, "shift": 0.1}},
    "three generators, the paper's formulation": {
        "generators": 3,
        "objective": {"name": "realness", "atoms": 5, "formulation": "paper"},
    },
    "fixed anchors": {"objective": {"name": "realness", "atoms": 5, "redraw_anchors": False}},
    "averaged": {"ema": 0.9},
    "samples compared with their batch, and normalised by a reference": {
        "networks": {
            **MLP,
            "minibatch_discrimination": {"kernels": 4},
            "virtual_batch_norm": {"reference": 8},
        },
        "ema": 0.9,
    },
    "bf16": {"precision": "bf16"},
    "an equilibrium, and the update before": {
        "networks": {"family": "mlp_autoencoder", "width": 16, "depth": 1},
        "objective": {"name": "began", "gain": 0.3},
        "generators": 1,
        "terms": {},
        "optimiser": {"name": "oadam"},
    },
    "terms that learn and remember, and a look ahead": {
        "objective": {"name": "non_saturating"},
        "generators": 1,
        "terms": {"historical_averaging": 0.1, "entropy_distance": {"weight": 0.1, "estimator": "neural"}},
        "unroll": 1,
    },
    "momentum": {"optimiser": {"name": "sgd", "momentum": 0.9}},
    "mean squares": {"optimiser": {"name": "rmsprop"}},
    "uniform z, several updates": {
        "latent": {"dimension": 16, "distribution": "uniform"},
        "updates": {"discriminator": 2, "generator": 3},
    },
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_recipe_resumes(variant: str, lab: Any, tools: Any, stop_at: Callable[..., None]) -> None:
    recipe = tools.bcgan | VARIANTS[variant]
    expected = tools.outcome(lab.train("reference", 6, recipe))
    stop_at(1, 5)
    assert lab.train_through("stopped", 6, recipe) == 2
    assert tools.outcome(lab.root("stopped")) == expected
    assert all(float(value) == float(value) for row in expected["history"][1:] for value in row)


@pytest.mark.parametrize("storage", ["device", "mapped"])
def test_images_resume(
    storage: str,
    image_lab: Any,
    tools: Any,
    stop_at: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DCGAN with spectral norm, the random head, flips, across the end of an epoch (89 images)."""
    monkeypatch.setattr("gantry.data.batches.fitting", lambda *_: storage)
    image_lab.every = 4
    recipe = {
        "networks": {"family": "dcgan", "width": 4},
        "objective": {"name": "realness", "atoms": 7},
        "generators": 2,
        "terms": {"sample_spread": 0.01},
        "latent": {"dimension": 16},
        "batch_size": 16,
        "flip": True,
        "ema": 0.5,
    }
    expected = tools.outcome(image_lab.train("reference", 4, recipe))
    stop_at(1, 3)
    assert image_lab.train_through("stopped", 4, recipe) == 2
    assert tools.outcome(image_lab.root("stopped")) == expected


# ── killed ────────────────────────────────────────────────────────────────────────────────────────────


def die_at(line: int) -> Callable[[FrameType, str, Any], Any]:
    """A trace function that kills this process at the `line`-th executed line of training or of its files."""
    left = line

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename not in TRACED:
            return None
        if event == "line":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    trace.lines_left = lambda: left  # type: ignore[attr-defined]
    return trace


def tracing(trace: Any) -> None:
    """Trace this thread and those that it will start: the loop, and what writes beside it."""
    threading.settrace(trace)
    sys.settrace(trace)


def test_killed_at_random_lines_again_and_again(lab: Any, tools: Any, reference: dict[str, Any]) -> None:
    counter = die_at(1 << 40)
    tracing(counter)
    try:
        lab.train("counted", 18)
    finally:
        tracing(None)
    total = (1 << 40) - counter.lines_left()  # type: ignore[attr-defined]
    assert total > 800
    chance = random.Random(0)
    for run in range(3):
        name, kills = f"killed{run}", 0
        while kills < 5:
            # At first anywhere, later nearer, so that most children are killed before they are done.
            line = chance.randrange(1, max(total >> kills, 2))

            def work(name: str = name, line: int = line) -> None:
                tracing(die_at(line))
                lab.train(name, 18)

            if tools.ended(tools.fork(work)) != -signal.SIGKILL:
                break
            kills += 1
        assert kills
        lab.train(name, 18)
        assert tools.outcome(lab.root(name)) == reference
        assert not tools.litter(lab.root(name))


def die_when_flushing(turn: int) -> None:
    """From now on, the `turn`-th fsync cuts its file to half its size and kills this process."""
    fsync = os.fsync
    calls = 0

    def deadly(file: int) -> None:
        nonlocal calls
        calls += 1
        if calls == turn:
            path = f"/proc/self/fd/{file}"
            if Path(path).is_file():
                os.truncate(path, os.fstat(file).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        fsync(file)

    os.fsync = deadly


def die_when_renaming(turn: int) -> None:
    """From now on, the `turn`-th rename into place kills this process first."""
    replace = Path.replace
    calls = 0

    def deadly(self: Path, target: Path) -> Path:
        nonlocal calls
        calls += 1
        if calls == turn:
            os.kill(os.getpid(), signal.SIGKILL)
        return replace(self, target)

    Path.replace = deadly  # type: ignore[method-assign]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="cuts files by way of /proc")
def test_killed_in_the_middle_of_every_write(lab: Any, tools: Any) -> None:
    """Spec, history, two checkpoints, two states, record: each half written, written but not renamed, renamed."""
    lab.every = 1
    expected = tools.outcome(lab.train("reference", 2))
    hit: set[str] = set()
    for arrange, turns in ((die_when_flushing, 14), (die_when_renaming, 7)):
        for turn in range(1, turns + 2):
            name = f"{arrange.__name__}{turn}"

            def work(name: str = name, arrange: Callable[[int], None] = arrange, turn: int = turn) -> None:
                arrange(turn)
                lab.train(name, 2)

            code = tools.ended(tools.fork(work))
            assert code == (-signal.SIGKILL if turn <= turns else 0), name
            root = lab.root(name)
            hit |= {path.name.split(".")[1] for path in tools.litter(root)}
            for whole in root.glob("record-*.json"):
                assert json.loads(whole.read_text())["checkpoints"]
            lab.train(name, 2)
            assert tools.outcome(root) == expected, name
            assert not tools.litter(root), name
    assert {"state", "0000001", "0000002", "record-2", "history", "spec"} <= hit


def test_rows_of_a_killed_interval_are_written_once(lab: Any, tools: Any) -> None:
    """Killed after a row was logged and before the state knew of it."""

    def work() -> None:
        def deadly(self: loop.Trainer) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        loop.Trainer.checkpoint = deadly  # type: ignore[method-assign]
        lab.train("killed", 18)

    assert tools.ended(tools.fork(work)) == -signal.SIGKILL
    history = lab.work("killed").history
    rows = history.read_text()
    assert rows.count("\n") == 3  # the header, 4 and 6
    history.write_text(rows + "8,0.1,0.2")  # a line that the power cut off
    lab.train("killed", 18)
    with history.open(newline="") as stream:
        assert [row["iteration"] for row in csv.DictReader(stream)] == ["4", "6", "8", "12", "16", "18"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGURG])
def test_the_command_line_ends_with_75_and_continues(
    number: signal.Signals, lab: Any, tools: Any, reference: dict[str, Any], stop_at: Callable[..., None]
) -> None:
    from gantry.cli import run

    root = lab.root("stopped")
    arguments = ["train", "--spec", json.dumps(lab.spec(tools.bcgan)), "--data", str(lab.manifest)]
    arguments += ["--until", "18", "--record", str(root / "record-18.json"), "--log", str(root / "train.log")]
    stop_at(11, number=number)
    assert tools.ended(tools.fork(lambda: run(arguments))) == EXIT_CONTINUE
    log = (root / "train.log").read_text()
    assert f"{number.name}: state saved at iteration 11 of 18; the same command continues" in log
    assert lab.work("stopped").state.exists() and not (root / "record-18.json").exists()
    assert tools.ended(tools.fork(lambda: run(arguments))) == 0
    assert (root / "train.log").read_text() == "done\n"
    assert tools.outcome(root) == reference


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device for PyTorch")
@pytest.mark.parametrize("family", ["mlp", "dcgan"])
def test_a_gpu_gives_the_same_bits_when_asked(
    family: str, lab: Any, image_lab: Any, tools: Any, stop_at: Callable[..., None]
) -> None:
    chosen = lab if family == "mlp" else image_lab
    networks = {"mlp": tools.mlp, "dcgan": {"family": "dcgan", "width": 8}}[family]
    recipe = tools.bcgan | {"networks": networks, "ema": 0.9}
    options = {"device": "cuda", "deterministic": True}
    try:
        expected = tools.outcome(chosen.train("reference", 18, recipe, **options))
        stop_at(3, 6, 11)
        assert chosen.train_through("stopped", 18, recipe, **options) == 3
        assert tools.outcome(chosen.root("stopped")) == expected
    finally:
        torch.use_deterministic_algorithms(False)
