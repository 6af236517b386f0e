"""Results that were moved or are spelled otherwise, have no memory, are of another time, or wanted by two at once."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.workflow.checkout import METRICS, OF_POINTS, RECORD, Sketch, names

TABLE = "results/tiny/sketch/modes.csv"
CHANGED: dict[str, Any] = {"recipes": {"points_two": {"terms": {"sample_spread": 0.2}}}}


@pytest.mark.parametrize("forgotten", [False, True])
def test_results_that_were_moved_are_good_where_they_are(
    sketch: Sketch, tmp_path: Path, forgotten: bool
) -> None:
    """To another path, with or without Snakemake's own memory; a change is noticed without it too."""
    moved = sketch.moved_to(tmp_path, remembers=not forgotten)
    assert moved.plan().jobs == set()
    changed = moved.plan(**CHANGED)
    assert len(changed.outputs("train")) == len(changed.outputs("score")) == 1
    assert names(changed) == OF_POINTS


@pytest.mark.parametrize("spelling", ["slash", "dots", "absolute", "link", "variable", "copy"])
def test_one_folder_however_it_is_spelled(spoilt: Sketch, spelling: str) -> None:
    """As it is: nothing to do. With another weight: what rests on it is made. Never: nothing to do, with old tables."""
    whole = spoilt.folder / "results"
    if spelling == "link":
        (spoilt.folder / "linked").symlink_to(whole)
    if spelling == "copy":
        (spoilt.folder / "elsewhere").mkdir()
        subprocess.run(["cp", "-r", str(whole), str(spoilt.folder / "elsewhere/results")], check=True)
    given = {
        "slash": "results/", "dots": "./results//../results", "absolute": f"{whole}/", "link": "linked",
        "variable": f"$HOME/{os.path.relpath(whole, Path.home())}", "copy": f"{spoilt.folder}/elsewhere/results",
    }[spelling]  # fmt: skip
    for target in ([], [f"{os.path.expandvars(given)}/tiny/sketch/modes.csv"]):
        done = spoilt.plan(*target, results=given, **CHANGED)
        expected = {"modes"} if target else OF_POINTS
        if spelling == "copy":  # whose files are of other times, in no order
            assert done.outputs("train") and names(done) >= expected
        else:
            assert len(done.outputs("train")) == len(done.outputs("score")) == 1
            assert names(done) == expected
        assert "double" not in done.output
    if spelling != "copy":
        assert spoilt.plan(results=given).jobs == set()


def test_a_clock_that_jumps_starts_nothing(spoilt: Sketch) -> None:
    """A file from a day ahead, whose content is what it was, starts nothing; nor does one from a day ago."""
    for name, jump in ((RECORD, 86400), (METRICS, -86400)):
        then = time.time() + jump
        os.utime(spoilt.folder / name, (then, then))
    assert spoilt.plan().jobs == set()


@pytest.mark.parametrize(
    ("file", "rules"),
    [
        (RECORD, {"train", "score", "table", "figure", "claims", "page"}),
        (METRICS, {"score", "table", "figure", "claims", "page"}),
        (
            METRICS.replace("metrics", "samples").replace(".csv", ".npz"),
            {"score", "table", "figure", "claims", "page"},
        ),
        ("results/data/embedded-classifier.safetensors", None),
        ("results/data/digits-32/statistics-embedded.npz", None),
        (TABLE, {"table", "page"}),
        ("results/tiny/sketch/modes.tex", {"table", "page"}),
        ("results/tiny/sketch/places.png", {"figure", "page"}),
        ("results/tiny/sketch/said.md", {"claims", "page"}),
        ("results/tiny/sketch/modes.record.json", {"table", "page"}),
        ("results/tiny/report.html", {"page"}),
    ],
)
def test_a_flipped_bit_is_made_again(spoilt: Sketch, file: str, rules: set[str] | None) -> None:
    """One bit in the middle of a file whose time stays: its step is planned again, and what rests on it."""
    path = spoilt.folder / file
    content, facts = bytearray(path.read_bytes()), path.stat()
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    done = spoilt.plan()
    assert "of other settings or inputs, or damaged" in done.output
    planned = {rule for rule, _ in done.jobs}
    if rules is None:
        assert planned >= {"score", "table", "page"} and "train" not in planned
    else:
        assert planned == rules


def test_a_lost_file_of_a_run_is_made_again(spoilt: Sketch) -> None:
    """The page reads the metrics too: with one deleted, the same command makes it, and ends well."""
    (spoilt.folder / METRICS).unlink()
    (spoilt.folder / "results/tiny/report.html").unlink()
    done = spoilt.make("results/tiny/report.html")
    assert done.code == 0, done.output
    assert done.outputs("score") == {METRICS}


def test_results_of_an_earlier_version_are_refused_in_one_sentence(spoilt: Sketch) -> None:
    record = spoilt.folder / RECORD
    former = record.parent.parent / "seal-20.json"
    former.write_bytes(record.read_bytes())
    done = spoilt.snakemake("-n", scale=str(Path(__file__).parent / "tiny.yaml"), papers=["sketch"])
    assert done.code != 0 and "Traceback" not in done.output
    assert "results/tiny/runs holds runs of an earlier version of Gantry (seal-20.json" in done.output


AT_WORK = (
    "import sys; from gantry.system import workflows; workflows.begin(lambda: None); "
    "print('on', flush=True); sys.stdin.read()"
)


def test_two_at_once_and_one_that_was_killed(spoilt: Sketch) -> None:
    """The second is refused while the first is alive; when it was killed, nobody needs to unlock anything."""
    with subprocess.Popen(
        [sys.executable, "-c", AT_WORK],
        cwd=spoilt.folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stdout is not None and first.stdout.readline() == "on\n"
        lock = spoilt.folder / ".snakemake/locks/0.output.lock"
        lock.parent.mkdir(exist_ok=True)
        lock.write_text(f"{TABLE}\n")
        table = [TABLE, "--forcerun", "table"]
        second = spoilt.make(*table)
        assert second.code != 0 and "cannot be locked" in second.output
        first.kill()
    third = spoilt.make(*table)
    assert third.code == 0, third.output
    assert third.outputs("table") == {TABLE}


def test_a_dry_run_changes_no_file(spoilt: Sketch) -> None:
    def files() -> dict[str, tuple[int, int]]:
        found = [
            path for path in spoilt.folder.rglob("*") if path.is_file() and ".snakemake" not in path.parts
        ]
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in found}

    before = files()
    assert spoilt.plan(**CHANGED).jobs
    assert files() == before
