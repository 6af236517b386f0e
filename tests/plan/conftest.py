"""A copy of the files a user edits, to be edited, and the plan that comes of it."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from gantry.errors import UserError
from gantry.plan import Plan, load_plan

BCGAN = "workflow/experiments/bcgan.yaml"
TRIAL = "workflow/scales/trial.yaml"
TRIAL_TEXT = """\
title: "of the tests' own"
device: cpu
seeds: [0, 1]
features: embedded
substitute:
  celeba: digits
  lsun_bedroom: flower
  lsun_bridge: china
workloads:
  synthetic:
    iterations: 400
    checkpoint_every: 100
    snapshots: [100, 200, 300, 400]
    samples: 2000
    shown: 1000
  images:
    iterations: 240
    checkpoint_every: 40
    extended_iterations: null
    resolution: 32
    samples: 500
    shown: 16
    recipe:
      networks: {width: 16}
"""
DATASETS = "workflow/datasets.yaml"


class Checkout:
    """A folder with `workflow/` in it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace the first `old` in `file`, which must be there."""
        path = self.root / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{file} no longer holds {old!r}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def append(self, file: str, text: str) -> None:
        """Add `text` to the end of `file`."""
        path = self.root / file
        path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")

    def plan(self, **config: Any) -> Plan:
        """The plan of this configuration, of the trial scale unless it says otherwise."""
        return load_plan({"scale": "trial"} | config, self.root)

    def problems(self, **config: Any) -> list[str]:
        """What is wrong with this configuration, a message each (its further lines are indented)."""
        with pytest.raises(UserError) as caught:
            self.plan(**config)
        return str(caught.value).replace("\n  ", " ").splitlines()


@pytest.fixture
def checkout(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    """A fresh copy of the shipped files, and a scale whose numbers nobody tunes; the working directory."""
    monkeypatch.chdir(tmp_path)  # counts of a developer's own results would change what is planned
    shutil.copytree(repository / "workflow", tmp_path / "workflow")
    (tmp_path / TRIAL).write_text(TRIAL_TEXT, encoding="utf-8")
    return Checkout(tmp_path)
