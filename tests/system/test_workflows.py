"""A dead Snakemake's locks are taken away, by Snakemake itself; a living one's never."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gantry.system import workflows

SNAKEMAKE = (
    "import sys; from pathlib import Path; from gantry.system import workflows; "
    "workflows.begin(lambda: print('unlocked'), Path(sys.argv[1])); print('on', flush=True); sys.stdin.read(); "
    "workflows.end(Path(sys.argv[1]))"
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "at work"


def start(place: Path) -> subprocess.Popen[str]:
    """A Snakemake at work."""
    process = subprocess.Popen(
        [sys.executable, "-c", SNAKEMAKE, str(place)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.said = []  # type: ignore[attr-defined]
    for line in process.stdout:
        if line == "on\n":
            break
        process.said.append(line.strip())  # type: ignore[attr-defined]
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


@pytest.fixture
def alive(place: Path) -> Iterator[subprocess.Popen[str]]:
    process = start(place)
    yield process
    kill(process)


def unlocks(place: Path) -> bool:
    """Whether a Snakemake that starts now takes locks away; it ends by itself."""
    process = start(place)
    process.communicate("")
    return "unlocked" in process.said  # type: ignore[attr-defined]


def test_nothing_is_unlocked_where_nobody_died(place: Path) -> None:
    assert not unlocks(place)
    assert not unlocks(place)
    assert place.read_text() == ""


def test_locks_of_the_living_stay(place: Path, alive: subprocess.Popen[str]) -> None:
    assert not unlocks(place)


def test_locks_of_the_killed_are_taken_away_once(place: Path, alive: subprocess.Popen[str]) -> None:
    kill(alive)
    assert unlocks(place)
    assert not unlocks(place)


def test_locks_of_the_killed_stay_while_another_lives(place: Path, alive: subprocess.Popen[str]) -> None:
    second = start(place)
    kill(alive)
    assert not unlocks(place)
    kill(second)
    assert unlocks(place)


def test_locks_from_another_machine_stay(place: Path) -> None:
    place.write_text("login2.elsewhere 4711:0\n")
    assert not unlocks(place)
    assert "login2.elsewhere" in place.read_text()


def test_a_folder_that_may_not_be_written_is_left_to_snakemake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    workflows.begin(lambda: None, tmp_path / "file" / "inside")
    workflows.end(tmp_path / "file" / "inside")


def test_snakemake_itself_takes_its_locks_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that was killed leaves them: made by Snakemake, and refused by the next one until then."""
    monkeypatch.chdir(tmp_path)
    Path("Snakefile").write_text(
        "rule all:\n    output: 'made'\n    shell: 'touch {output}; kill -9 $PPID'\n"
    )
    command = [sys.executable, "-m", "snakemake", "--cores", "1"]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    assert subprocess.run(command, capture_output=True, env=environment).returncode == -9
    locked = subprocess.run([*command, "--rerun-incomplete"], capture_output=True, text=True, env=environment)
    assert "cannot be locked" in locked.stderr
    workflows.unlock_folder()
    Path("Snakefile").write_text("rule all:\n    output: 'made'\n    shell: 'touch {output}'\n")
    free = subprocess.run([*command, "--rerun-incomplete"], capture_output=True, text=True, env=environment)
    assert free.returncode == 0, free.stderr
