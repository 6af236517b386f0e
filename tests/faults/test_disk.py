"""Disks that are full or lack something, where tests/workflow/test_bad_machines.py does not look."""

import errno
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.status.half import SETTINGS, TABLE, plan_of
from tests.workflow.steps import CONFIG, MANIFEST, Gantry, contents, fill, refused, small_disk, steps

from gantry.cli import run

NEW = "mixture/points_one/seed1"
PREPARE = ["prepare", "mixture", "--config", json.dumps(CONFIG), "--out", "disk/set/manifest.json"]
TABLE_THERE = ["table", "sketch", "modes", "--config", json.dumps(CONFIG), "--out", "disk/modes.csv"]
FIGURE_THERE = ["figure", "sketch", "places", "--config", json.dumps(CONFIG), "--out", "disk/places.png"]
CLAIMS_THERE = ["claims", "sketch", "said", "--config", json.dumps(CONFIG), "--out", "disk/said.csv"]
PAGE_THERE = ["page", "--config", json.dumps(CONFIG), "--out", "disk/report.html"]


@pytest.fixture
def disk(here: Path) -> Iterator[Path]:
    """A disk of 16 MB, mounted: the page brings its own programs, and is large."""
    with small_disk(here / "disk", "16m") as place:
        yield place


@pytest.mark.parametrize(
    ("command", "leave"),
    # 4 kB are enough for all that a table and claims are.
    [(command, 0) for command in (PREPARE, TABLE_THERE, FIGURE_THERE, CLAIMS_THERE)]
    + [(command, 4096) for command in (PREPARE, FIGURE_THERE)],
    ids=lambda value: value[0] if isinstance(value, list) else str(value),
)
def test_a_full_disk_at_each_step(disk: Path, gantry: Gantry, command: list[str], leave: int) -> None:
    """One message; nothing by halves; with space, the same command ends well."""
    filler = fill(disk, leave)
    code, output = gantry(*command)
    refused((code, output), "disk/", "free some space")
    made = [path for path in disk.rglob("*") if path.is_file() and path != filler]
    assert not [path for path in made if path.suffix == ".part"], "half a file was left behind"
    assert not [path for path in made if path.name == "manifest.json"]
    filler.unlink()
    assert gantry(*command)[0] == 0


@pytest.fixture
def shown(here: Path) -> None:
    """The paper has but a table and claims, which are made: all that the page needs."""
    file = Path("workflow/experiments/sketch.yaml")
    paper = yaml.safe_load(file.read_text())
    file.write_text(
        yaml.safe_dump(paper | {"outputs": {name: paper["outputs"][name] for name in ("modes", "said")}})
    )
    for verb, name in (("table", "modes"), ("claims", "said")):
        out = f"results/tiny/sketch/{name}.csv"
        assert run([verb, "sketch", name, "--config", json.dumps(CONFIG), "--out", out]) == 0


def test_a_full_disk_for_the_page(disk: Path, shown: None, gantry: Gantry) -> None:
    filler = fill(disk, 4096)
    refused(gantry(*PAGE_THERE), "disk/report.html: cannot be written", "free some space")
    assert list(disk.iterdir()) == [filler], "half a file was left behind"
    filler.unlink()
    assert gantry(*PAGE_THERE)[0] == 0
    assert (disk / "report.html").read_text().rstrip().endswith("</html>")


def test_a_quota_that_is_used_up_at_each_step(
    here: Path, shown: None, gantry: Gantry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a full disk: one message, and the same command ends well with space."""
    Path("disk").mkdir()
    train, score, *_ = steps(plan_of(), NEW)
    for command in (PREPARE, train, score, TABLE_THERE, CLAIMS_THERE, PAGE_THERE):
        before = {path: digest for path, digest in contents().items() if "/work/" not in path}
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", _over_quota)
            refused(gantry(*command), "cannot be written", "the quota is used up: free some space")
        assert {path: digest for path, digest in contents().items() if "/work/" not in path} == before
        assert gantry(*command)[0] == 0


def _over_quota(file: int) -> None:
    raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))


def test_a_file_system_without_locks(here: Path, gantry: Gantry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two trainers could overwrite each other: refused. Who only looks is told what can be known."""

    def no_locks(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    before = contents()
    train = next(steps(plan_of(), NEW))
    refused(gantry(*train), "/work/lock: this file system has no locks", "put `results` on one that has")
    assert contents() == before
    assert gantry("status", *SETTINGS)[0] == 0


def test_a_file_system_without_links(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*arguments: object, **options: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", no_links)
    monkeypatch.setattr(os, "symlink", no_links)
    for step in steps(plan_of(), NEW):
        assert run(step) == 0
    assert run(["prepare", "mixture", "--config", json.dumps(CONFIG), "--out", "again/manifest.json"]) == 0
    assert (
        json.loads(Path("again/manifest.json").read_text())["digest"]
        == json.loads(MANIFEST.read_text())["digest"]
    )


def test_results_of_another_path_are_taken_for_what_they_are(here: Path, gantry: Gantry) -> None:
    """Nothing in the folder is absolute: moved, it gives the same table."""
    before = Path(TABLE).read_bytes()
    Path("results").rename("elsewhere")
    out = TABLE.replace("results", "elsewhere")
    config = json.dumps(CONFIG | {"results": "elsewhere"})
    assert gantry("table", "sketch", "modes", "--config", config, "--out", out)[0] == 0
    assert Path(out).read_bytes() == before
    assert str(here) not in "".join(path.read_text() for path in Path("elsewhere").rglob("record-*.json"))
