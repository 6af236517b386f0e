"""`gantry clean` lists what no configuration names, deletes it only when told, and nothing else ever."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.status.half import SETTINGS, plan_of
from tests.workflow.steps import Gantry, contents, refused

from gantry.status.clean import leftovers

RUNS = Path("results/tiny/runs/mixture")
EARLIER = Path("results/tiny/earlier")
OLD_SEED = RUNS / "points_two/seed7"


@pytest.fixture
def littered(here: Path) -> Path:
    """With a run that nobody wants, and beside a run's own work one of another recipe and one of other data."""
    own = next((RUNS / "points_one/seed0/work").glob("*/"))
    spec = json.loads((own / "spec.json").read_text())
    for name, changed in (("0123456789abcdef", spec | {"checkpoint_every": 5}), ("fedcba9876543210", spec)):
        other = own.with_name(name)
        other.mkdir()
        (other / "spec.json").write_text(json.dumps(changed))
        (other / "weights").write_bytes(b"\0" * 2000)
    (OLD_SEED / "work").mkdir(parents=True)
    (OLD_SEED / "record-20.json").write_bytes(b"\0" * 3000)
    (EARLIER / "0123").mkdir(parents=True)
    (EARLIER / "0123/0").write_bytes(b"\0" * 1000)
    return here


def found(**config: Any) -> dict[str, str]:
    return {os.path.relpath(each.folder, RUNS): each.reason for each in leftovers(plan_of(**config))}


def test_nothing_is_left_over_at_first(here: Path, gantry: Gantry) -> None:
    assert gantry("clean", *SETTINGS) == (0, "nothing is left over\n")


def test_each_leftover_with_its_reason(littered: Path) -> None:
    assert found() == {
        "points_one/seed0/work/0123456789abcdef": "another recipe",
        "points_one/seed0/work/fedcba9876543210": "other data",
        "points_two/seed7": "no configured run",
        "../../earlier": "results of earlier settings",
    }
    sizes = {each.folder.name: each.size for each in leftovers(plan_of())}
    assert sizes["seed7"] == 3000
    assert sizes["0123456789abcdef"] > 2000


def test_a_dry_run_deletes_nothing(littered: Path, gantry: Gantry) -> None:
    before = contents(without="")
    code, text = gantry("clean", *SETTINGS)
    assert code == 0
    assert "points_two/seed7" in text and "4 folders, " in text
    assert "scale tiny, papers sketch, seeds 0, 1. --yes deletes them." in text
    assert contents(without="") == before


def test_yes_deletes_just_that(littered: Path, gantry: Gantry) -> None:
    gone = [str(each.folder) for each in leftovers(plan_of())]
    before = contents()
    assert gantry("clean", "--yes", *SETTINGS)[0] == 0
    kept = {path: digest for path, digest in before.items() if not path.startswith(tuple(gone))}
    assert contents() == kept and len(kept) < len(before)
    assert not OLD_SEED.exists() and not EARLIER.exists()


def test_a_recipe_that_is_gone_leaves_no_empty_folders(here: Path, gantry: Gantry) -> None:
    lonely = Path("results/tiny/runs/elsewhere/nobody/seed0/work")
    lonely.mkdir(parents=True)
    assert gantry("clean", "--yes", *SETTINGS)[0] == 0
    assert not Path("results/tiny/runs/elsewhere").exists()
    assert RUNS.exists()


def test_other_data_stay_while_the_data_are_away(littered: Path) -> None:
    Path("results/data/mixture/manifest.json").unlink()
    assert set(found().values()) == {
        "another recipe", "no configured run", "results of earlier settings",
    }  # fmt: skip


def test_what_is_no_run_and_what_is_linked_stays(here: Path, tmp_path: Path) -> None:
    treasure = tmp_path / "treasure"
    treasure.mkdir()
    (treasure / "file").write_text("dear")
    (RUNS / "points_two/seed9").symlink_to(treasure)
    (RUNS / "points_two/seeds of doubt").mkdir()
    assert found() == {}


def test_a_run_at_work_stays_and_so_does_all_else(littered: Path, gantry: Gantry) -> None:
    code = (
        "import sys; from pathlib import Path; from gantry.system.lock import exclusive_lock\n"
        "with exclusive_lock(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(OLD_SEED / "work/lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as trainer:
        assert trainer.stdout is not None and trainer.stdout.readline() == "held\n"
        before = contents()
        refused(
            gantry("clean", "--yes", *SETTINGS), f"a trainer is at work (process {trainer.pid}", "nothing"
        )
        assert contents() == before
        assert trainer.stdin is not None
        trainer.stdin.close()
