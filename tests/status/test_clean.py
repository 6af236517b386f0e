"""`gantry clean` lists what no configuration names, deletes it only when told, and nothing else ever."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.status.half import SETTINGS, plan_of
from tests.workflow.steps import PLAN, Gantry, contents, refused

from gantry.status.clean import leftovers

RUNS = Path("results/tiny/runs/mixture")
PLANS = Path("results/tiny/plans")
OWN = Path(PLAN.folder(PLAN.run("mixture", "points_one", 0)))
OTHER, OLD, NOBODYS = (
    OWN.with_name("0" * 16),
    RUNS / "points_two/seed7" / ("a" * 16),
    RUNS / "points_two/seed8",
)


@pytest.fixture
def littered(here: Path) -> Path:
    """With runs of another recipe, of no recipe and of an earlier version; other data, scores and plans."""
    (work,) = (OWN / "work").glob("*/")
    spec = json.loads((work / "spec.json").read_text())
    of_other_data = work.with_name("fedcba9876543210")
    of_other_data.mkdir()
    (of_other_data / "spec.json").write_text(json.dumps(spec))
    (of_other_data / "weights").write_bytes(b"\0" * 2000)
    (OTHER / "work/1").mkdir(parents=True)
    (OTHER / "work/1/spec.json").write_text(
        json.dumps(spec | {"recipe": spec["recipe"] | {"batch_size": 64}})
    )
    (OWN / "metrics-20-00000000.csv").write_text("of other settings")
    OLD.mkdir(parents=True)
    (OLD / "record-20.json").write_bytes(b"\0" * 3000)
    NOBODYS.mkdir()
    (NOBODYS / "seal-20.json").write_text("{}")
    PLANS.mkdir()
    (PLANS / "0123.yaml").write_bytes(b"\0" * 1000)
    Path(plan_of().place).write_text("{}")
    return here


def found(**config: Any) -> dict[str, str]:
    return {
        os.path.relpath(leftover.paths[0], RUNS): leftover.reason for leftover in leftovers(plan_of(**config))
    }


def test_nothing_is_left_over_at_first(here: Path, gantry: Gantry) -> None:
    assert gantry("clean", *SETTINGS) == (0, "nothing is left over\n")


def test_each_leftover_with_whose_it_was(littered: Path) -> None:
    assert found() == {
        os.path.relpath(OTHER, RUNS): "other settings: batch_size 64",
        os.path.relpath(OWN / "work/fedcba9876543210", RUNS): "other data",
        os.path.relpath(OWN / "metrics-20-00000000.csv", RUNS): "other scores or segments",
        os.path.relpath(OLD, RUNS): "another seed than 0, 1",
        "points_two/seed8": "run of an earlier version of Gantry",
        "../../plans/0123.yaml": "plans of other configurations",
    }
    sizes = {leftover.paths[0].name: leftover.size for leftover in leftovers(plan_of())}
    assert sizes[OLD.name] == 3000
    assert sizes["fedcba9876543210"] > 2000


def test_a_dry_run_deletes_nothing(littered: Path, gantry: Gantry) -> None:
    before = contents(without="")
    code, text = gantry("clean", *SETTINGS)
    assert code == 0
    assert "points_two/seed7" in text and "6 leftovers, " in text
    assert "scale tiny, papers sketch, seeds 0, 1.\nnothing was deleted; --yes deletes them" in text
    assert contents(without="") == before


class Terminal(io.StringIO):
    """Standard input of somebody who is there."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "deletes"), [("y\n", True), ("\n", False), ("no\n", False), ("", False)])
def test_at_a_terminal_it_asks_after_its_list(
    littered: Path, gantry: Gantry, monkeypatch: pytest.MonkeyPatch, answer: str, deletes: bool
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    before = contents()
    code, text = gantry("clean", *SETTINGS)
    assert code == 0
    assert text.index("6 leftovers, ") < text.index("Delete all 6? [y/N]")
    assert (contents() != before) == deletes == (found() == {})
    assert text.endswith("deleted\n") and text.endswith("nothing was deleted\n") != deletes


def test_runs_of_another_configuration_are_called_so(here: Path, gantry: Gantry) -> None:
    """With the settings that name them, as its plan has them; a recipe of another paper, with the paper."""
    other = plan_of(seeds=[0, 1, 7], recipes={"points_two": {"terms": {"sample_spread": 0.25}}})
    run = other.run("mixture", "points_two", 7)
    for folder in (Path(other.folder(run)), RUNS / "bcgan/seed0" / ("d" * 16)):
        folder.mkdir(parents=True)
        (folder / "record-20.json").write_text("{}")
    assert found()[os.path.relpath(other.folder(run), RUNS)] == "another seed than 0, 1"
    assert found()["bcgan/seed0/" + "d" * 16] == (
        "a recipe of bcgan, which is not among the papers of this configuration"
    )
    assert {leftover.owner for leftover in leftovers(plan_of())} == {""}
    Path(other.place).parent.mkdir()
    Path(other.place).write_text(other.sources)
    owners = {os.path.relpath(leftover.paths[0], RUNS): leftover.owner for leftover in leftovers(plan_of())}
    assert "seeds=[0,1,7]" in owners[os.path.relpath(other.folder(run), RUNS)]
    assert owners["bcgan/seed0/" + "d" * 16] == ""
    text = gantry("clean", *SETTINGS)[1]
    assert "runs of another configuration, scale=" in text and 'recipes={"points_two"' in text


def test_yes_deletes_just_that(littered: Path, gantry: Gantry) -> None:
    gone = [str(path) for leftover in leftovers(plan_of()) for path in leftover.paths]
    before = contents()
    assert gantry("clean", "--yes", *SETTINGS)[0] == 0
    kept = {path: digest for path, digest in before.items() if not path.startswith(tuple(gone))}
    assert contents() == kept and len(kept) < len(before)
    assert not OLD.parent.exists() and not NOBODYS.exists() and found() == {}


def test_a_recipe_that_is_gone_leaves_no_empty_folders(here: Path, gantry: Gantry) -> None:
    lonely = Path("results/tiny/runs/elsewhere/nobody/seed0", "b" * 16, "work")
    lonely.mkdir(parents=True)
    assert gantry("clean", "--yes", *SETTINGS)[0] == 0
    assert not Path("results/tiny/runs/elsewhere").exists()
    assert RUNS.exists()


def test_other_data_stay_while_the_data_are_away(littered: Path) -> None:
    Path("results/data/mixture/manifest.json").unlink()
    assert "other data" not in found().values() and len(found()) == 5


def test_what_is_no_run_and_what_is_linked_stays(here: Path, tmp_path: Path) -> None:
    treasure = tmp_path / "treasure"
    (treasure / ("c" * 16)).mkdir(parents=True)
    (treasure / ("c" * 16) / "file").write_text("dear")
    (RUNS / "points_two/seed9").symlink_to(treasure)
    OTHER.symlink_to(treasure / ("c" * 16))
    (RUNS / "points_two/seeds of doubt").mkdir()
    assert found() == {}


def test_a_run_at_work_stays_and_so_does_all_else(littered: Path, gantry: Gantry) -> None:
    code = (
        "import sys; from pathlib import Path; from gantry.system.lock import exclusive_lock\n"
        "with exclusive_lock(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(OLD / "work/lock")],
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
