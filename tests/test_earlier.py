"""Results of earlier settings, without Snakemake: two jobs, one on the other, and records as it would write them."""

import json
import os
import shutil
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from gantry import earlier
from gantry.earlier import Job, put_aside, put_back

LONG = "runs/" + "a" * 250 + ".csv"  # whose record's name is longer than a file's may be


class Plan:
    """What is asked of a plan here."""

    results = "results"

    def __init__(self, setting: int) -> None:
        self.jobs = [Job((LONG,), ("data",), (setting,)), Job(("table", "picture"), (LONG,), ("same",))]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(earlier, "jobs", lambda plan: plan.jobs)
    Path("data").write_text("data")


def make(plan: Any, *which: int) -> None:
    """Do what Snakemake would: put aside, then make the files of these jobs and their records."""
    put_aside(plan, [output for index in which for output in plan.jobs[index].outputs])
    for index in which:
        job = plan.jobs[index]
        content = "".join(Path(each).read_text() for each in job.inputs) + str(job.params)
        for output in job.outputs:
            Path(output).parent.mkdir(exist_ok=True)
            Path(output).write_text(content)
            name = urlsafe_b64encode(output.encode()).decode()
            parts = [name] if len(name) < 255 else ["@" + name[:254], name[254:]]
            record = Path(".snakemake/metadata").joinpath(*parts)
            record.parent.mkdir(parents=True, exist_ok=True)
            checksums = {each: f"sha256:{sha256(Path(each).read_bytes()).hexdigest()}" for each in job.inputs}
            facts = {"params": [repr(each) for each in job.params], "input": list(job.inputs)}
            record.write_text(json.dumps(facts | {"input_checksums": checksums}))


def everything() -> dict[str, tuple[str, int]]:
    """Content and time of all results and records."""
    return {
        str(path): (path.read_text(), path.stat().st_mtime_ns)
        for path in sorted(Path().rglob("*"))
        if path.is_file() and "earlier" not in path.parts
    }


def test_settings_come_and_go() -> None:
    make(Plan(1), 0, 1)
    first = everything()
    assert put_back(Plan(1)) == []
    make(Plan(2), 0, 1)
    second = everything()
    for setting, expected in ((1, first), (2, second), (1, first)):
        assert put_back(Plan(setting)) == sorted([LONG, "picture", "table"])
        assert everything() == expected
        assert put_back(Plan(setting)) == [], "what is there was put back again"


def test_a_table_whose_earlier_self_is_lost_is_older_than_what_it_shows() -> None:
    make(Plan(1), 0, 1)
    make(Plan(2), 0, 1)
    shutil.rmtree(Path("results/earlier") / Plan(1).jobs[1].name)
    assert put_back(Plan(1)) == [LONG]
    assert Path(LONG).stat().st_mtime_ns > Path("table").stat().st_mtime_ns


def test_what_is_made_again_under_the_same_settings_is_not_wanted_back() -> None:
    """By newer code, say."""
    make(Plan(1), 0, 1)
    make(Plan(1), 1)
    assert not list(Path("results").glob("earlier/*/*/whole"))


def test_a_copy_that_was_cut_off_is_not_put_back() -> None:
    make(Plan(1), 0, 1)
    make(Plan(2), 0, 1)
    before = everything()
    for whole in Path("results/earlier").rglob("whole"):
        whole.unlink()
    assert put_back(Plan(1)) == []
    assert everything() == before


def test_results_that_cannot_be_written_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    make(Plan(1), 0, 1)
    make(Plan(2), 0, 1)
    before = everything()

    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError("read only")

    monkeypatch.setattr(earlier, "_replace", refuse)
    put_back(Plan(1))
    assert {path: content for path, (content, _) in everything().items()} == {
        path: content for path, (content, _) in before.items()
    }
    monkeypatch.undo()


def test_a_record_without_its_checkpoints_is_not_put_back() -> None:
    job = Job(("record-1.json",), ("data",), (1,))
    kept = Path("kept")
    kept.mkdir()
    (kept / "0").write_text(json.dumps({"checkpoints": [{"file": "work/1.safetensors"}]}))
    assert not earlier._is_usable(job, kept)
    Path("work").mkdir()
    Path("work/1.safetensors").touch()
    assert earlier._is_usable(job, kept)


@pytest.mark.parametrize("same", [True, False])
def test_an_input_may_be_newer_if_it_was_made_again_the_same(same: bool) -> None:
    first, second = Plan(1), Plan(2)
    make(first, 0, 1)
    if not same:
        Path(LONG).write_text("by hand")
    later = Path("table").stat().st_mtime_ns + 10**9
    os.utime(LONG, ns=(later, later))
    make(second, 0, 1)
    assert ("table" in put_back(first)) == same
