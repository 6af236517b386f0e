"""Paths as people write them, and files as their umask grants them."""

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from gantry.cli import run
from gantry.errors import UserError
from gantry.files import write_json, write_text, write_with
from gantry.paths import expanded
from gantry.plan import load_plan


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SCRATCH", str(tmp_path / "scratch"))
    return tmp_path


def test_home_and_variables_are_filled_in(home: Path) -> None:
    assert expanded("~/x") == expanded("$HOME/x") == expanded("${HOME}/x") == home / "x"
    assert expanded("plain/~x") == Path("plain/~x")
    with pytest.raises(UserError, match=r"\$NOWHERE/x: the variable \$NOWHERE is not set"):
        expanded("$NOWHERE/x")


def test_in_every_path_of_the_configuration(home: Path, repository: Path) -> None:
    given = {
        "scale": "small",
        "data": "$SCRATCH/data",
        "results": "~/results",
        "weights": {"inception": "~/w.pth"},
        "datasets": {"celeba": {"path": "${SCRATCH}/faces"}},
    }
    plan = load_plan(given, repository)
    assert plan.results == f"{home}/results/small"
    assert plan.source_of("celeba") == home / "scratch/faces"
    assert plan.source_of("cifar10") == home / "scratch/data/cifar10"
    assert plan.feature_weights("inception") == [f"{home}/w.pth"]
    with pytest.raises(UserError, match=r"config: results: .*variable \$GONE is not set"):
        load_plan(given | {"results": "$GONE/results"}, repository)


def test_on_the_command_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(home / "real.npy", np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8))
    assert run(["score", "~/real.npy", "$HOME/real.npy", "--metrics", "swd", "--json"]) == 0
    assert str(home / "real.npy") in capsys.readouterr().out


@pytest.mark.parametrize(("mask", "mode"), [(0o077, 0o600), (0o002, 0o664), (0o022, 0o644)])
def test_files_are_as_open_as_the_umask_says(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        write_text(tmp_path / "text", "x")
        write_with(tmp_path / "array.npy", lambda path: np.save(path, np.zeros(2)))
    finally:
        os.umask(before)
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {mode}


def test_names_that_are_no_text_are_written_and_read_back(tmp_path: Path) -> None:
    import json

    write_json(tmp_path / "names.json", {"file": "caf\udce9.jpg"})
    assert json.loads((tmp_path / "names.json").read_text(encoding="utf-8"))["file"] == "caf\udce9.jpg"
