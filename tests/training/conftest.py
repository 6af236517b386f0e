"""Tiny runs, what is the same in two of them, and children that are killed while they train."""

import csv
import io
import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from gantry.data import prepare
from gantry.files import sha256_of_file
from gantry.plan.dataset import DatasetSpec
from gantry.plan.runs import data_digest_of
from gantry.system.signals import EXIT_CONTINUE, Stopped
from gantry.training import train as loop
from gantry.training.run import RunFolder

MLP = {
    "family": "mlp",
    "width": 16,
    "depth": 2,
    "maxout_units": 16,
    "maxout_pieces": 2,
    "maxout_depth": 1,
}
BCGAN = {
    "networks": MLP,
    "objective": {"name": "realness", "atoms": 5},
    "terms": {"logit_agreement": 1.0, "sample_spread": 0.01},
    "generators": 2,
    "latent": {"dimension": 16},
    "batch_size": 16,
}


@dataclass
class Lab:
    """Trains tiny recipes on one prepared set, each run in a folder of its own."""

    folder: Path
    manifest: Path
    every: int = 6
    dataset: dict[str, Any] = field(default_factory=lambda: {"name": "tiny"})

    @classmethod
    def on_digits(cls, folder: Path, every: int) -> "Lab":
        """Prepare a twentieth of the digits, at 32×32, for runs in `folder`."""
        out = folder / "data"
        prepare(DatasetSpec(title="digits", source="digits", fraction=0.05), "digits", out, 32, out)
        return cls(folder, out / "manifest.json", every, {"name": "tiny", "resolution": 32})

    def spec(self, recipe: dict[str, Any], seed: int = 0) -> dict[str, Any]:
        """A spec as the plan writes it."""
        return {
            "format": 1,
            "recipe": recipe,
            "dataset": self.dataset,
            "seed": seed,
            "checkpoint_every": self.every,
        }

    def root(self, name: str, seed: int = 0) -> Path:
        """The folder of the run called `name`."""
        return self.folder / name / "tiny" / "recipe" / f"seed{seed}"

    def train(
        self, name: str, until: int, recipe: dict[str, Any] = BCGAN, seed: int = 0, **options: Any
    ) -> Path:
        """Train run `name` to `until`; return its folder."""
        root = self.root(name, seed)
        loop.train(
            root, self.spec(recipe, seed), self.manifest, until, root / f"record-{until}.json", **options
        )
        return root

    def work(self, name: str, recipe: dict[str, Any] = BCGAN, seed: int = 0) -> RunFolder:
        """Where run `name` keeps what it needs."""
        spec = self.spec(recipe, seed)
        return RunFolder(
            self.root(name, seed), spec, data_digest_of(json.loads(self.manifest.read_text()), spec)
        )

    def train_through(self, name: str, until: int, recipe: dict[str, Any] = BCGAN, **options: Any) -> int:
        """Train, and take up the run again as often as it is stopped; return how often that was."""
        for stops in range(100):
            try:
                self.train(name, until, recipe, **options)
            except Stopped:
                continue
            return stops
        raise AssertionError("the run does not end")


def outcome(root: Path, state: bool = True) -> dict[str, Any]:
    """Everything about a run that must not depend on interruptions: all but times and memory."""
    work = next((root / "work").glob("*/"))
    records = {path.name: json.loads(path.read_text()) for path in root.glob("record-*.json")}
    for record in records.values():
        del record["provenance"], record["digest"]  # which hold times
    with (work / "history.csv").open(newline="") as stream:
        history = [row[:3] for row in csv.reader(stream)]
    checkpoints = {path.name: sha256_of_file(path) for path in (work / "checkpoints").glob("[!.]*")}
    found = {"records": records, "history": history, "checkpoints": checkpoints}
    return found | ({"state": state_of(work / "state" / "state.bin")} if state else {})


def state_of(path: Path) -> Any:
    """The content of a state, tensors as bytes, without the seconds it took."""
    payload = path.read_bytes().split(b"\n", 2)[2]
    content = torch.load(io.BytesIO(payload), weights_only=True)
    del content["progress"]["seconds"]
    return plain(content)


def plain(value: Any) -> Any:
    """Tensors as (type, shape, bytes), inside any containers, so that == compares bits."""
    if isinstance(value, torch.Tensor):
        return str(value.dtype), tuple(value.shape), value.reshape(-1).view(torch.uint8).numpy().tobytes()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def fork(work: Callable[[], int | None]) -> int:
    """Run `work` in a silent child, whose exit code is what it returns, or 75 for Stopped; return the child."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        code = work() or 0
    except Stopped:
        code = EXIT_CONTINUE
    finally:
        os._exit(code)


def ended(child: int) -> int:
    """Wait for a child; return its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def litter(root: Path) -> list[Path]:
    """Unfinished files."""
    return [path for path in root.rglob(".*")]


@pytest.fixture
def tools() -> Any:
    """The functions above, for test files."""

    class Tools:
        pass

    for function in (outcome, state_of, plain, fork, ended, litter):
        setattr(Tools, function.__name__, staticmethod(function))
    Tools.mlp, Tools.bcgan = MLP, BCGAN  # type: ignore[attr-defined]
    return Tools


@pytest.fixture(scope="session")
def points(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of 400 prepared points."""
    out = tmp_path_factory.mktemp("points")
    options = {"count": 400, "seed": 0, "side": 3, "spacing": 2.0, "variance": 0.05}
    spec = DatasetSpec(title="points", source="gaussian_grid", options=options)
    prepare(spec, "points", out, None, out)
    return out / "manifest.json"


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of 89 prepared digits, 32×32."""
    out = tmp_path_factory.mktemp("images")
    prepare(DatasetSpec(title="digits", source="digits", fraction=0.05), "digits", out, 32, out)
    return out / "manifest.json"


@pytest.fixture(autouse=True)
def short_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Log every 4 iterations, beside checkpoints every 6: both kinds of interval are cut."""
    monkeypatch.setattr(loop, "LOG_EVERY", 4)


@pytest.fixture
def lab(tmp_path: Path, points: Path) -> Lab:
    """A lab on points."""
    return Lab(tmp_path, points)


@pytest.fixture
def image_lab(tmp_path: Path, images: Path) -> Lab:
    """A lab on images."""
    return Lab(tmp_path, images)


@pytest.fixture
def stop_at(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`stop_at(7, 33)`: this process gets SIGTERM (or `number`) in the midst of these iterations, once each."""

    def arrange(*iterations: int, number: int = signal.SIGTERM) -> None:
        left = set(iterations)
        iterate = loop.Trainer.iterate

        def interrupted(self: loop.Trainer) -> None:
            if self.progress.iteration + 1 in left:
                left.remove(self.progress.iteration + 1)
                os.kill(os.getpid(), number)
            iterate(self)

        monkeypatch.setattr(loop.Trainer, "iterate", interrupted)

    return arrange


@pytest.fixture(autouse=True)
def signals_and_settings() -> Iterator[None]:
    """Put back what training sets for its process."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGURG)}
    yield
    assert before == {number: signal.getsignal(number) for number in before}
    torch.set_flush_denormal(False)
