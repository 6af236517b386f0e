"""Results that were moved, have no memory, are of another time, or are wanted by two Snakemakes at once."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.workflow.checkout import POINTS_TWO, Sketch


@pytest.mark.parametrize("forgotten", [False, True])
def test_results_that_were_moved_are_good_where_they_are(
    sketch: Sketch, tmp_path: Path, forgotten: bool
) -> None:
    """To another path, with or without Snakemake's own memory; a stale record is noticed without it too."""
    moved = sketch.moved_to(tmp_path, remembers=not forgotten)
    assert moved.plan().jobs == set()
    if forgotten:
        page = tmp_path / "results/tiny/sketch/modes.csv"
        before = page.read_bytes()
        page.rename(tmp_path / "kept")
        changed = {"points_two": {"terms": {"sample_spread": 0.2}}}
        done = moved.make("results/tiny/sketch/modes.csv", recipes=changed)
        assert done.code != 0 and "Traceback" not in done.output
        assert "record-20.json: stale: trained with spec" in done.output
        assert f"--forcerun {POINTS_TWO}/record-20.json" in done.output
        assert not page.exists()
        assert moved.make("results/tiny/sketch/modes.csv").code == 0
        assert page.read_bytes() == before


def test_a_clock_that_jumps_starts_nothing(spoilt: Sketch) -> None:
    """A file from a day ahead, whose content is what it was, starts nothing; nor does one from a day ago."""
    for name, jump in (("record-20.json", 86400), ("metrics-20.csv", -86400)):
        then = time.time() + jump
        os.utime(spoilt.folder / POINTS_TWO / name, (then, then))
    assert spoilt.plan().jobs == set()


def test_two_at_once_and_one_that_was_killed(spoilt: Sketch) -> None:
    """The second is refused while the first is alive; when it was killed, nobody needs to unlock anything."""
    code = (
        "import sys; from gantry.system.orphans import release_stale_locks; release_stale_locks(); "
        "print('on', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=spoilt.folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stdout is not None and first.stdout.readline() == "on\n"
        lock = spoilt.folder / ".snakemake/locks/0.output.lock"
        lock.parent.mkdir(exist_ok=True)
        lock.write_text("results/tiny/sketch/modes.csv\n")
        table = ["results/tiny/sketch/modes.csv", "--forcerun", "table"]
        second = spoilt.make(*table)
        assert second.code != 0 and "cannot be locked" in second.output
        first.kill()
    third = spoilt.make(*table)
    assert third.code == 0, third.output
    assert third.outputs("table") == {"results/tiny/sketch/modes.csv"}
